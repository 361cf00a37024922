/* The picture of the week follows what is typed; arrows on a bar change its hours. Without this it shows what was saved. */
(()=>{const table=document.querySelector('.week'),form=document.getElementById('hours'),said=document.getElementById('week-said');
const names=[...table.tBodies[0].rows].map(r=>r.dataset.day),pad=n=>String(n).padStart(2,'0'),clock=m=>`${pad(Math.floor(m/60))}:${pad(m%60)}`;
/* as areas/flows/hours.py reads it */
const read=t=>{const m=/^(\d{1,2})(?:[:.h ]?(\d{2}))?\s*([ap])?\.?(?:m\.?)?$/.exec(t.trim().toLowerCase());if(!m)return NaN;
let h=+m[1];const mins=+(m[2]||0);if(m[3]){if(h<1||h>12)return NaN;h=h%12+(m[3]==='p'?12:0)}
return mins>59||h>24||(h===24&&mins)?NaN:h*60+mins};
const field=(line,part)=>form.elements[`periods:${line}:${part}`];
const lines=()=>[...form.querySelectorAll('.hours')].map(li=>{const n=+li.dataset.line;return{n,days:[...li.querySelectorAll('.day input:checked')].map(x=>x.value),a:read(field(n,'start').value),b:read(field(n,'end').value)}});
const spans=()=>{const week=Object.fromEntries(names.map(d=>[d,[]]));
for(const{n,days,a,b}of lines()){if(isNaN(a)||isNaN(b)||a===1440)continue;for(const d of days){week[d].push([a,b>a?b:1440,n]);if(b<=a&&b)week[names[(names.indexOf(d)+1)%7]].push([0,b,n])}}
return week};
const draw=()=>{const week=spans(),on=document.activeElement,held=on?.classList.contains('bar')?[on.closest('tr').dataset.day,on.dataset.line,[...on.parentElement.children].filter(x=>x.dataset.line===on.dataset.line).indexOf(on)]:null;
for(const row of table.tBodies[0].rows){const here=week[row.dataset.day].sort((x,y)=>x[0]-y[0]||x[1]-y[1]),track=row.querySelector('.track'),when=row.querySelector('.when');
track.replaceChildren(...here.map(([a,b,n])=>{const x=document.createElement('a');x.className='bar';x.href=`#f-periods-${n}-start`;x.dataset.line=n;x.style.setProperty('--a',`${a/14.4}%`);x.style.setProperty('--w',`${(b-a)/14.4}%`);
x.setAttribute('aria-label',table.dataset.label.replace('{day}',row.dataset.name).replace('{from}',clock(a)).replace('{to}',clock(b)).replace('{n}',n+1));return x}));
const none=document.createElement('span');none.className='dim';none.textContent=table.dataset.closed;
when.replaceChildren(here.length?here.map(([a,b])=>`${clock(a)}–${clock(b)}`).join(', '):none)}
if(held){const bars=[...table.querySelectorAll(`tr[data-day=${held[0]}] .bar`)].filter(x=>x.dataset.line===held[1]);(bars[held[2]]||bars[0])?.focus()}};
const same=n=>table.querySelectorAll('.bar').forEach(x=>x.classList.toggle('same',x.dataset.line===n));
form.addEventListener('input',draw);
table.addEventListener('focusin',e=>same(e.target.dataset.line));table.addEventListener('focusout',()=>same());
table.addEventListener('click',e=>{const bar=e.target.closest('.bar');if(bar){e.preventDefault();const f=field(bar.dataset.line,'start');f.focus();f.select()}});
table.addEventListener('keydown',e=>{const bar=e.target.closest('.bar'),step={ArrowLeft:-15,ArrowRight:15}[e.key];if(!bar||!step)return;e.preventDefault();
const start=field(bar.dataset.line,'start'),end=field(bar.dataset.line,'end');
for(const f of e.shiftKey?[end]:[start,end])f.value=clock((read(f.value)%1440+1440+step)%1440);
start.dispatchEvent(new Event('input',{bubbles:true}));said.textContent=document.activeElement.getAttribute('aria-label')||''});
document.querySelector('.keys').hidden=false;
/* lines that were added or tried are not saved yet: leaving asks, as after typing */
if(form.dataset.dirty==='unsaved')dirty=true})();
