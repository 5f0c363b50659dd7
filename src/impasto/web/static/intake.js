// Pictures on their way in: dropped, pasted, chosen.

const files = (transfer) => [...(transfer?.files ?? [])];
const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');

/**
 * Let files be dropped on an element, which is marked with `data-over` meanwhile.
 * @param {HTMLElement} element
 * @param {(files: File[]) => void} onfiles
 */
export function dropZone(element, onfiles) {
  let depth = 0;
  // Dropped further inside, or anywhere else: the drag is over.
  for (const end of ['drop', 'dragend']) {
    document.addEventListener(end, () => {
      depth = 0;
      mark(false);
    }, true);
  }
  const mark = (over) => {
    if (over) element.dataset.over = '';
    else delete element.dataset.over;
  };
  element.addEventListener('dragenter', (event) => {
    if (!carries(event)) return;
    depth += 1;
    mark(true);
  });
  element.addEventListener('dragleave', () => {
    depth = Math.max(0, depth - 1);
    if (!depth) mark(false);
  });
  element.addEventListener('dragover', (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
  });
  element.addEventListener('drop', (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    event.stopPropagation();
    const dropped = files(event.dataTransfer);
    if (dropped.length) onfiles(dropped);
  });
}

/** A picture pasted anywhere but into a text. @param {(files: File[]) => void} onfiles */
export function pasteAnywhere(onfiles) {
  document.addEventListener('paste', (event) => {
    const pasted = files(event.clipboardData).filter((file) => file.type.startsWith('image/'));
    if (!pasted.length || event.target.closest?.('input, textarea')) return;
    event.preventDefault();
    onfiles(pasted);
  });
}
