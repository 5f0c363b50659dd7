// Light, dark, or as the device is; and the language.
import { keep, kept } from './store.js';
import { language, speak } from './texts.js';

export function startAppearance() {
  const look = document.getElementById('appearance');
  look.value = kept('appearance', 'auto');
  look.addEventListener('change', () => {
    keep('appearance', look.value === 'auto' ? null : look.value);
    if (look.value === 'auto') delete document.documentElement.dataset.appearance;
    else document.documentElement.dataset.appearance = look.value;
  });
  const tongue = document.getElementById('language');
  tongue.value = language;
  tongue.addEventListener('change', () => speak(tongue.value, true));
}
