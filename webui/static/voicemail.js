/* What is played counts as heard; the box tells the phone's lamp. */
addEventListener('play',async e=>{const p=e.target,url=p.dataset?.heard;
for(const other of document.querySelectorAll('audio'))if(other!==p)other.pause();
if(!url)return;
const a=await ask(url,{method:'POST',body:new URLSearchParams({to:'heard'})});
if(!a.ok)return say(await a.text());
delete p.dataset.heard;p.closest('tr').querySelector('[data-state]').innerHTML=await a.text()},true);
