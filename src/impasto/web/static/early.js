// Before the first paint: the appearance and language that were chosen, so that nothing flashes.
(() => {
  const root = document.documentElement;
  const kept = (name) => {
    try {
      return JSON.parse(localStorage.getItem(`impasto.${name}`));
    } catch {
      return null;
    }
  };
  const appearance = kept('appearance');
  if (appearance === 'light' || appearance === 'dark') root.dataset.appearance = appearance;
  const language = kept('language');
  if (language === 'pt' || language === 'zh') root.lang = language;
})();
