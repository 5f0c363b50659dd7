"""Workers: processes that paint and train, from outside and from inside."""
