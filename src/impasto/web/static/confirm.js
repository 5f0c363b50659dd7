// A question before something is lost.
import { button, h } from './element.js';

/** @param {string} question @param {string} yes key of the text of the button @returns {Promise<boolean>} */
export function confirmed(question, yes) {
  return new Promise((resolve) => {
    let agreed = false;
    const box = h('dialog', { class: 'box', 'aria-labelledby': 'question' },
      h('p', { id: 'question' }, question),
      h('div', { class: 'row end' },
        button('cancel', null, () => box.close(), { class: 'quiet', autofocus: true }),
        button(yes, null, () => {
          agreed = true;
          box.close();
        }, { class: 'main' })));
    box.addEventListener('close', () => {
      box.remove();
      resolve(agreed);
    });
    document.body.append(box);
    box.showModal();
  });
}
