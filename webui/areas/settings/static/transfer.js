/* How far an upload is, and a page that goes on when the box is back. */
{
const at=f=>({box:f.querySelector('.going'),bar:f.querySelector('.going progress'),words:f.querySelector('.going [role=status]'),button:f.querySelector('footer button')});
const show=(p,text,part)=>{p.box.hidden=false;if(p.words.textContent!==text)p.words.textContent=text;if(part===undefined)p.bar.removeAttribute('value');else p.bar.value=part};
const json=async url=>{const a=await fetch(url,{headers:{'X-Requested-With':'holdfast'}});if(!a.ok)throw a;return a.json()};

/* an upload says how far it is, and that the checks take a while */
document.addEventListener('submit',e=>{const f=e.target;if(!('upload' in f.dataset))return;e.preventDefault();if(f.sent)return;
const p=at(f),file=f.elements.file.files[0];
if(file&&file.size>Number(f.dataset.upload)){show(p,f.dataset.large,0);return}
f.sent=true;p.button.setAttribute('aria-busy','true');
const x=new XMLHttpRequest();x.open('POST',f.action);
const step=Math.max(1,Math.round((file?.size||1)/4e8));let told=-1;
x.upload.onprogress=m=>{const whole=Math.floor(100*m.loaded/m.total);if(whole-told>=(told<0?0:10/step)||whole===100){told=whole;show(p,f.dataset.sending.replace('%',whole+' %'),m.loaded/m.total)}else p.bar.value=m.loaded/m.total};
x.upload.onload=()=>show(p,f.dataset.checking);
x.onerror=()=>{f.sent=false;p.button.removeAttribute('aria-busy');show(p,f.dataset.broken,0)};
x.onload=()=>{f.sent=false;
if(x.status<400&&x.responseURL!==f.action){location=x.responseURL;return}
const came=new DOMParser().parseFromString(x.responseText,'text/html').getElementById('main');
if(!came){x.onerror();return}
document.getElementById('main').replaceWith(document.adoptNode(came));document.querySelector('#main [aria-invalid=true]')?.focus()};
x.send(new FormData(f))});

/* the box goes away and comes back; with another certificate no script may ask it, so the browser itself must go there in the end */
document.querySelectorAll('[data-restart]').forEach(d=>{const words=d.querySelector('[role=status]'),began=Date.now();let gone=0;
const look=async()=>{try{const m=await json(d.dataset.restart);gone=0;if(!m.waits){location='/';return}}catch{gone||=Date.now();words.textContent=d.dataset.gone;if(Date.now()-gone>45000){location='/';return}}
if(Date.now()-began>120000)words.textContent=d.dataset.late;
setTimeout(look,1000)};setTimeout(look,1500)});
}
