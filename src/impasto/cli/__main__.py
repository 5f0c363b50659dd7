"""``python -m impasto.cli``: the command where no script was installed."""

from impasto.cli.main import main

if __name__ == "__main__":
    main()
