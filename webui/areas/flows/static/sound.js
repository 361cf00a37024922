/* Sounds: dropped where they can be chosen, too large ones told before they are sent, played in the list. Pages work without. */
(()=>{const input=document.querySelector('.drop input');
if(input){const zone=input.closest('.drop'),told=document.getElementById('too-large'),name=input.form.elements.name;
const look=()=>{const file=input.files[0],large=!!file&&file.size>+input.dataset.most;told.hidden=!large;told.lastElementChild.textContent=large?input.dataset.large:'';
input.toggleAttribute('aria-invalid',large);if(large)input.setAttribute('aria-invalid','true');
if(file&&!large&&!name.value.trim())name.value=file.name.replace(/\.[^.]*$/,'').slice(0,80);return !large};
input.onchange=look;
for(const t of['dragenter','dragover'])zone.addEventListener(t,e=>{e.preventDefault();zone.classList.add('over')});
for(const t of['dragleave','drop'])zone.addEventListener(t,()=>zone.classList.remove('over'));
zone.addEventListener('drop',e=>{e.preventDefault();if(e.dataTransfer.files.length){input.files=e.dataTransfer.files;input.dispatchEvent(new Event('input',{bubbles:true}));look()}});
/* before the page's own listener, which shows that something happens */
input.form.addEventListener('submit',e=>{if(input.form.elements.how.value==='file'&&!look()){e.preventDefault();e.stopPropagation();input.focus()}})}
const audio=new Audio();let on;
const stop=()=>{audio.pause();on?.setAttribute('aria-pressed','false');on=undefined};
audio.onended=stop;audio.onerror=stop;
document.querySelectorAll('[data-play]').forEach(b=>{b.setAttribute('role','button');b.setAttribute('aria-pressed','false');
b.onkeydown=e=>{if(e.key===' '){e.preventDefault();b.click()}};
b.onclick=e=>{e.preventDefault();const again=b===on;stop();if(again)return;on=b;b.setAttribute('aria-pressed','true');audio.src=b.href;audio.play().catch(stop)}})})();
