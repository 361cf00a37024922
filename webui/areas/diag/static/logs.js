/* Follow: new lines on top every two seconds, as long as the switch is on and the page is looked at. */
{
const lines=document.getElementById('lines'),label=document.getElementById('follow');
if(lines&&label){
const on=label.querySelector('input'),most=500;
label.hidden=false;
const look=async()=>{if(!on.checked||document.hidden)return;
const url=new URL(lines.dataset.follow,location);url.searchParams.set('after',lines.dataset.last);
try{const a=await ask(url);if(!a.ok)return;const said=await a.json();lines.dataset.last=said.last;
if(said.rows){lines.insertAdjacentHTML('afterbegin',said.rows);while(lines.rows.length>most)lines.lastElementChild.remove()}}catch{}};
on.onchange=look;setInterval(look,2000);
}}
