/* Holdfast behaviours. Pages work without it, except the eye on a secret and words that change by themselves. */
const $$=(s,r=document)=>[...r.querySelectorAll(s)];
const meta=n=>document.querySelector(`meta[name=${n}]`)?.content||'';
const ask=(url,more={})=>fetch(url,{...more,headers:{'X-Requested-With':'holdfast','X-CSRF':meta('csrf'),...more.headers}});

/* tabs of one page */
$$('[role=tablist]').forEach(list=>{const tabs=$$('[role=tab]',list);
const pick=(t,focus)=>{tabs.forEach(x=>{const on=x===t;x.setAttribute('aria-selected',on);x.tabIndex=on?0:-1;document.getElementById(x.getAttribute('aria-controls')).hidden=!on});if(focus)t.focus()};
tabs.forEach((t,n)=>{t.onclick=()=>pick(t);t.onkeydown=e=>{const to={ArrowRight:n+1,ArrowLeft:n-1,Home:0,End:tabs.length-1}[e.key];if(to!==undefined){e.preventDefault();pick(tabs[(to+tabs.length)%tabs.length],true)}}});
pick(tabs.find(t=>t.getAttribute('aria-selected')==='true')||tabs[0])});

/* eye: shows what was typed; with data-reveal it fetches the secret, which the box records. Hides again after 30 s. */
const hide=(b,f)=>{f.type='password';b.setAttribute('aria-pressed','false');if(b.dataset.reveal)f.value='••••••••••••';clearTimeout(b.timer)};
const eye=async b=>{const f=document.getElementById(b.dataset.eye);
if(f.type!=='password')return hide(b,f);
if(b.dataset.reveal){const a=await ask(b.dataset.reveal,{method:'POST'});if(!a.ok)return say(await a.text());f.value=(await a.json()).secret}
f.type='text';b.setAttribute('aria-pressed','true');b.timer=setTimeout(()=>hide(b,f),30000)};

/* a word at the bottom, which goes by itself when it asks nothing */
const fade=t=>t.querySelector('form')||setTimeout(()=>t.remove(),12000);
const say=text=>{const t=document.createElement('div'),s=document.createElement('span');t.className='toast';s.textContent=text;t.append(s);document.querySelector('.toasts')?.append(t);fade(t)};
$$('.toast').forEach(fade);

/* dialogs; clicks anywhere */
$$('dialog[data-open]').forEach(d=>d.showModal());
addEventListener('click',e=>{const b=e.target.closest?.('button,a');if(!b)return;
if(b.dataset.eye)eye(b);
if('close' in b.dataset)b.closest('dialog').close();
if(b.dataset.dialog)document.getElementById(b.dataset.dialog).showModal();
if('dismiss' in b.dataset)b.closest('.toast').remove()});

/* find from anywhere */
addEventListener('keydown',e=>{if(e.key==='/'&&!e.target.closest('input,textarea,select')){const s=document.querySelector('.search .in');if(s){e.preventDefault();s.focus()}}});

/* forms: sent once, with a sign that something happens; a page with changes asks before it is left */
let dirty=false;
addEventListener('input',e=>{if(e.target.form&&'dirty' in e.target.form.dataset)dirty=true});
addEventListener('beforeunload',e=>{if(dirty)e.preventDefault()});
addEventListener('submit',e=>{const f=e.target;
if(dirty&&f.dataset.drops&&!confirm(f.dataset.drops))return e.preventDefault();
dirty=false;
if('back' in f.dataset&&f.elements.back&&!f.elements.back.value)f.elements.back.value=location.pathname+location.search;
if(!('busy' in f.dataset))return;
if(f.sent)return e.preventDefault();
f.sent=true;const b=e.submitter;
if(b)setTimeout(()=>{b.setAttribute('aria-busy','true');if(f.dataset.busy){const w=document.createElement('span');w.setAttribute('role','status');w.textContent=f.dataset.busy;b.replaceChildren(w)}},150)});
addEventListener('pageshow',e=>{if(e.persisted)location.reload()});
addEventListener('change',e=>{if(e.target.matches('select[data-go]'))e.target.form.requestSubmit()});

/* a message that is played counts as heard, and the box tells the lamp of the phone; one sound at a time */
addEventListener('play',async e=>{const p=e.target,url=p.dataset?.heard;
for(const other of document.querySelectorAll('audio'))if(other!==p)other.pause();
if(!url)return;
const a=await ask(url,{method:'POST',body:new URLSearchParams({to:'heard'})});
if(!a.ok)return say(await a.text());
delete p.dataset.heard;p.closest('li').querySelector('[data-state]').innerHTML=await a.text()},true);

/* parts that take a while come after the page */
$$('[data-load]').forEach(async d=>{try{const a=await ask(d.dataset.load);if(a.ok){d.innerHTML=await a.text();d.removeAttribute('data-load');vars(d);if(location.hash)document.getElementById(location.hash.slice(1))?.scrollIntoView()}else d.textContent=await a.text()}catch{d.textContent='…'}});

/* numbers for pictures: data-vars="--a:28%;--w:10%" where a style attribute would be */
const vars=(r=document)=>$$('[data-vars]',r).forEach(x=>x.dataset.vars.split(';').forEach(p=>{const i=p.indexOf(':');if(i>0)x.style.setProperty(p.slice(0,i).trim(),p.slice(i+1).trim())}));
vars();

/* time left, by the box's clock */
const ahead=Number(meta('now'))-Date.now()/1000;
const tick=()=>$$('[data-until]').forEach(x=>{const s=Math.max(0,Math.round(x.dataset.until-Date.now()/1000-ahead)),l=x.lastText||(x.lastText=x.textContent);x.title=l;x.textContent=`${Math.floor(s/60)}:${String(s%60).padStart(2,'0')}`});
tick();setInterval(tick,1000);

/* words that change: one stream for the page. What was missed while it was away comes whole when it is back. */
const groups=[...new Set($$('[data-live]').map(x=>x.dataset.live.split(':')[0]))];
if(groups.length){
const query=groups.map(n=>'g='+encodeURIComponent(n)).join('&');
const patch=words=>{for(const[key,html]of Object.entries(words))$$(`[data-live="${CSS.escape(key)}"]`).forEach(x=>{
if(x.word===html)return;const box=document.createElement('template');box.innerHTML=html;
if(x.word===undefined&&x.innerHTML===box.innerHTML){x.word=html;return}
x.word=html;const id=x.contains(document.activeElement)?document.activeElement.id:'',chosen=$$('select[id]',x).map(s=>[s.id,s.value]);x.innerHTML=html;vars(x);
chosen.forEach(([of,value])=>{const s=document.getElementById(of);if(s)s.value=value});if(id)document.getElementById(id)?.focus();
x.dispatchEvent(new CustomEvent('live',{bubbles:true,detail:key}))});tick()};
/* a page nobody looks at holds no stream (a browser has six connections for all its pages): it asks now and then */
let source,heard=0,stop=false;
const close=()=>{source?.close();source=undefined};
const open=()=>{close();if(stop||document.hidden)return;heard=Date.now();const mine=source=new EventSource('/events?'+query);
mine.onopen=()=>{heard=Date.now()};
mine.addEventListener('words',e=>{heard=Date.now();document.documentElement.dataset.stream='on';patch(JSON.parse(e.data))});
mine.addEventListener('beat',()=>{heard=Date.now()});
mine.addEventListener('signed-out',()=>{stop=true;close()});
mine.onerror=()=>{if(mine.readyState===2&&source===mine)source=undefined}};
const once=async()=>{try{const a=await ask('/live?'+query);if(a.status===401)stop=true;else if(a.ok){patch(await a.json());return true}}catch{}return false};
open();
setInterval(()=>{if(source&&Date.now()-heard>45000)open()},5000);
setInterval(async()=>{if(!stop&&!source&&await once())open()},15000);
addEventListener('visibilitychange',()=>document.hidden?setTimeout(()=>{if(document.hidden)close()},3000):source||open());
addEventListener('pagehide',close);
}
