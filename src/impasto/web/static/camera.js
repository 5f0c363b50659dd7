// The camera: look, turn round, take. Where the browser refuses it, the device's own camera is asked through a file input.
import { button, filePicker, h } from './element.js';
import { canvasBlob } from './photograph.js';
import { t } from './texts.js';

/** Take a photograph. @returns {Promise<File|null>} `null` where nothing was taken */
export function takePhotograph() {
  return new Promise((resolve) => {
    let stream = null;
    let facing = 'user';
    let taken = null;
    const video = h('video', { autoplay: true, playsinline: true, label: 'camera.view' });
    video.muted = true;
    const said = h('p', { class: 'quiet-text', role: 'status' });
    const shutter = button('camera.take', 'camera', () => take(), { class: 'main', disabled: true });
    const flip = button('camera.turn', 'flip', () => turn(), { class: 'quiet', hidden: true });
    const picker = filePicker({ accept: 'image/*', capture: 'environment' }, ([file]) => end(file));
    const other = button('camera.device', 'picture', () => picker.click(), { class: 'main', hidden: true });
    const box = h('dialog', { class: 'box camera', 'aria-labelledby': 'camera-heading' },
      h('h2', { id: 'camera-heading', text: 'camera' }),
      h('div', { class: 'viewfinder' }, video),
      said,
      h('div', { class: 'row end' }, button('cancel', null, () => end(null), { class: 'quiet' }), flip, other, picker, shutter));

    const stop = () => stream?.getTracks().forEach((track) => track.stop());

    async function look() {
      stop();
      shutter.disabled = true;
      said.textContent = t('camera.waiting');
      try {
        stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: facing, width: { ideal: 1920 }, height: { ideal: 1440 } } });
      } catch {
        refuse();
        return;
      }
      if (!box.open) {
        stop();
        return;
      }
      video.srcObject = stream;
      // A front camera shows a mirror; the photograph is as others see it.
      video.classList.toggle('mirror', stream.getVideoTracks()[0]?.getSettings().facingMode !== 'environment');
      await video.play().catch(() => {});
      said.textContent = '';
      shutter.disabled = false;
      shutter.focus();
      const devices = await navigator.mediaDevices.enumerateDevices().catch(() => []);
      flip.hidden = devices.filter((device) => device.kind === 'videoinput').length < 2;
    }

    function refuse() {
      said.textContent = t(navigator.mediaDevices?.getUserMedia ? 'camera.refused' : 'camera.insecure');
      video.parentElement.hidden = shutter.hidden = flip.hidden = true;
      other.hidden = false;
      other.focus();
    }

    function turn() {
      facing = facing === 'user' ? 'environment' : 'user';
      look();
    }

    async function take() {
      if (!video.videoWidth) return;
      const canvas = h('canvas', { width: video.videoWidth, height: video.videoHeight });
      canvas.getContext('2d').drawImage(video, 0, 0);
      end(new File([await canvasBlob(canvas, 'image/jpeg', 0.95)], 'camera.jpg', { type: 'image/jpeg' }));
    }

    function end(file) {
      taken = file;
      box.close();
    }

    box.addEventListener('close', () => {
      stop();
      box.remove();
      resolve(taken);
    });
    document.body.append(box);
    box.showModal();
    if (navigator.mediaDevices?.getUserMedia) look();
    else refuse();
  });
}
