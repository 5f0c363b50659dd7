// Sends what a form says, and shows what is answered.

/** Where to, with what: each field says in which part of the request it belongs. */
function asked(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const fields = new FormData();
  let body;
  for (const field of form.elements) {
    const part = field.dataset.in;
    if (part === 'path') path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
    if (part === 'query' && field.value) query.append(field.name, field.value);
    if (part === 'form' && field.type === 'file') for (const file of field.files) fields.append(field.name, file);
    else if (part === 'form' && field.value) fields.append(field.name, field.value);
    if (part === 'body') body = field.files[0];
  }
  if (form.dataset.kind === 'multipart/form-data') body = fields;
  // Seen from this page, which a proxy may have below a path of its host.
  const address = new URL(`.${path}`, document.baseURI);
  address.search = query;
  return [address, body];
}

/** A picture, or the text of what was answered. */
async function shown(answer) {
  const kind = answer.headers.get('content-type') ?? '';
  if (answer.ok && kind.startsWith('image/')) {
    const image = document.createElement('img');
    image.alt = 'What was answered';
    image.src = URL.createObjectURL(await answer.blob());
    return image;
  }
  const text = document.createElement('pre');
  if (kind.startsWith('text/event-stream')) {
    await answer.body.cancel();
    text.textContent = 'A stream of events, which has no end.';
    return text;
  }
  text.textContent = /json|text/.test(kind) ? await answer.text() : kind;
  return text;
}

// It sends nothing by itself.
document.querySelector('#key').form.addEventListener('submit', (event) => event.preventDefault());

for (const form of document.querySelectorAll('form[data-path]')) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const output = form.nextElementSibling;
    const button = form.querySelector('button');
    const [address, body] = asked(form);
    const key = document.querySelector('#key').value;
    button.disabled = true;
    output.replaceChildren('Waiting ...');
    try {
      const headers = key ? { Authorization: `Bearer ${key}` } : {};
      const answer = await fetch(address, { method: form.dataset.method, body, headers });
      const line = document.createElement('p');
      line.textContent = `${answer.status} ${answer.statusText}`;
      output.replaceChildren(line, await shown(answer));
    } catch (error) {
      output.replaceChildren(`No answer: ${error.message}`);
    } finally {
      button.disabled = false;
    }
  });
}
