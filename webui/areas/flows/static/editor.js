/* The flow editor: draws the picture, and changes the page without turning it. Every link and form works without it. */
(() => {
const SVG = 'http://www.w3.org/2000/svg', W = 176, H = 56, LARGE = 80;
const start = '\u0000start';
let data, zoom = 0, version = 0, laid, source;

const el = (name, attributes = {}, ...inside) => {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== undefined) made.setAttribute(key, value);
  made.append(...inside);
  return made;
};
const cut = (text, most) => [...text].length > most ? [...text].slice(0, most - 1).join('') + '…' : text;
const canvas = () => document.getElementById('picture');

/* ---- the page, swapped ---- */

const here = url => new URL(url, location.href);
const ours = url => here(url).origin === location.origin && here(url).pathname.split('/').slice(0, 4).join('/') === location.pathname.split('/').slice(0, 4).join('/');

/* The answer in place of what is shown. What is no page of this flow (a sign-in, an error) is opened as it is. */
const swap = async (url, options = {}, then) => {
  const held = canvas(), at = [held.scrollLeft, held.scrollTop], turn = ++version;
  document.body.setAttribute('aria-busy', 'true');
  let answer;
  try { answer = await fetch(url, options); } catch { location.href = url; return; } finally { document.body.removeAttribute('aria-busy'); }
  if (turn !== version) return;
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  if (!page.getElementById('picture')) { location.href = answer.url; return; }
  if (options.method !== 'POST' || answer.redirected) history[answer.url === location.href ? 'replaceState' : 'pushState']({}, '', answer.url);
  document.title = page.title;
  document.getElementById('main').replaceWith(page.getElementById('main'));
  document.querySelector('.toasts').replaceWith(page.querySelector('.toasts'));
  vars(document.getElementById('main'));
  if (laid) { text(); draw(); [canvas().scrollLeft, canvas().scrollTop] = at; }
  if (then) then(); else focusPanel();
  if (options.method === 'POST' || canvas().dataset.steps !== source) read();
};
const focusPanel = () => {
  const first = document.querySelector('#panel [autofocus]:not(dialog *), #panel [aria-invalid], #main .note[role=alert]') || document.getElementById('panel-h');
  first?.focus({preventScroll: innerWidth > 1099});
  if (innerWidth <= 1099 && document.querySelector('.fxw.open')) document.getElementById('panel').scrollIntoView({block: 'nearest'});
};

document.addEventListener('click', e => {
  if (e.defaultPrevented || e.button || e.ctrlKey || e.metaKey || e.shiftKey) return;
  const zoomed = e.target.closest?.('[data-zoom]');
  if (zoomed) { zoom = Math.min(2, Math.max(.3, zoom * zoomed.dataset.zoom)); size(); return; }
  const fix = e.target.closest?.('.fix');
  if (fix) { e.preventDefault(); cure(fix); return; }
  const node = e.target.closest?.('a.node');
  if (node && canvas().dataset.exit && node.dataset.id !== start) { e.preventDefault(); choose(node.dataset.id); return; }
  const link = e.target.closest?.('a[data-swap], #picture svg a');
  const url = link && (link.getAttribute('href'));
  if (url && ours(url)) { e.preventDefault(); swap(url); }
});
document.addEventListener('submit', e => {
  const form = e.target;
  if (!('swap' in form.dataset) || e.defaultPrevented) return;
  e.preventDefault();
  dirty = false;
  if (form.sent) return;
  form.sent = true;
  e.submitter?.setAttribute('aria-busy', 'true');
  const sent = new FormData(form, e.submitter);
  if (form.method === 'post') swap(form.action, {method: 'POST', body: new URLSearchParams(sent)}, form.id === 'undo' ? () => canvas().focus() : undefined);
  else swap(here(form.action).pathname + '?' + new URLSearchParams([...sent].filter(([, value]) => value)));
});
addEventListener('popstate', () => swap(location.href));

const post = (url, fields) => swap(url, {method: 'POST', body: new URLSearchParams([['csrf', meta('csrf')], ...fields])});
const choose = id => { const select = document.getElementById('to'); select.value = id; select.form.requestSubmit(); };
const cure = fix => { const {url, to, exits, was} = fix.way; post(url, [['to', to], ['was', was], ...exits.slice(1).map(exit => ['also', exit])]); };

/* ---- what is drawn ---- */

const library = () => window.dagre ? Promise.resolve() : new Promise((done, failed) => {
  const script = document.createElement('script');
  script.src = canvas().dataset.layout; script.onload = done; script.onerror = failed;
  document.head.append(script);
});
const read = async () => {
  const turn = version;
  try {
    const [answer] = await Promise.all([ask(canvas().dataset.steps), library()]);
    if (!answer.ok) throw answer;
    const found = await answer.json();
    if (turn !== version) return;
    if (found.fault) { tell(found.fault); return; }
    const fresh = JSON.stringify(found) !== JSON.stringify(data);
    data = found;
    source = canvas().dataset.steps;
    text();
    if (fresh) laid = layout();
    draw();
  } catch (fault) { tell(fault.statusText || String(fault)); }
};
const tell = words => { const place = canvas().querySelector('.wait') || canvas().appendChild(document.createElement('p')); place.className = 'wait'; place.textContent = words; };
const text = () => {
  const box = document.getElementById('steps'), focused = box.contains(document.activeElement);
  if (!focused) box.innerHTML = data.text;
  document.getElementById('fixes').innerHTML = '';
  const mark = document.createElement('span');
  mark.className = 'st soft ' + (data.faults ? 'bad' : 'ok');
  mark.innerHTML = `<svg aria-hidden="true"><use href="#s-${data.faults ? 'bad' : 'ok'}"/></svg>`;
  mark.append(data.fixes);
  document.getElementById('fixes').append(mark);
};

const wide = words => Math.max(24, [...words].length * 6.6 + 12);
/* Of a large flow only the first way to each step decides where that stands: a minute's work becomes a moment's. */
const layout = () => {
  const g = new dagre.graphlib.Graph({multigraph: true});
  g.setGraph({rankdir: 'TB', nodesep: 26, ranksep: 34, edgesep: 14, marginx: 12, marginy: 12});
  g.setDefaultEdgeLabel(() => ({}));
  g.setNode(start, {width: W, height: H});
  const known = new Set(data.steps.map(step => step.id)), large = data.steps.length > LARGE, placed = new Set([data.start.to]);
  g.more = [];
  for (const step of data.steps) g.setNode(step.id, {width: W, height: H});
  if (known.has(data.start.to)) g.setEdge(start, data.start.to, {}, 'start');
  data.steps.forEach(step => step.ends.forEach((end, n) => {
    const name = step.id + ' ' + n, words = cut(end.label, 30);
    if (end.to && large && placed.has(end.to)) g.more.push({v: step.id, w: end.to, step, end, words});
    else if (end.to && known.has(end.to)) placed.add(end.to) && g.setEdge(step.id, end.to, {width: wide(words), height: 18, labelpos: 'c', step, end, words}, name);
    else {
      const told = cut(end.label, 34), fixes = end.cures;
      const width = Math.max(wide(told), wide(end.words), ...fixes.map(fix => wide(fix.label) + 12));
      g.setNode(name, {width, height: 36 + fixes.length * 30, step, end, told, fixes});
      g.setEdge(step.id, name, {step, end}, name);
    }
  }));
  dagre.layout(g);
  return g;
};
const size = () => {
  const svg = canvas().querySelector('svg.g');
  if (!svg || !laid) return;
  const {width, height} = laid.graph();
  zoom ||= Math.max(.75, Math.min(1, (canvas().clientWidth - 8) / width));
  svg.setAttribute('width', width * zoom); svg.setAttribute('height', height * zoom);
};
/* Down from the middle of a step to the middle of the next, sideways only between the rows; a way back goes as dagre leads it. */
const curve = (from, to, points) => {
  const way = points.slice(1, -1), down = to.y > from.y;
  const all = down ? [{x: from.x, y: from.y + from.height / 2}, ...way, {x: to.x, y: to.y - to.height / 2}] : points;
  return all.slice(1).reduce((d, p, n) => {
    const q = all[n], middle = (q.y + p.y) / 2;
    return d + `C${q.x} ${middle} ${p.x} ${middle} ${p.x} ${p.y}`;
  }, `M${all[0].x} ${all[0].y}`);
};

const straight = edge => {
  const from = laid.node(edge.v), to = laid.node(edge.w), side = to.x < from.x ? -1 : 1;
  const points = to.y > from.y ? [from, to] : [{x: from.x + side * W / 2, y: from.y}, {x: to.x - side * W / 2, y: to.y}];
  return {...edge, points, x: from.x + (to.x - from.x) * .12, y: from.y + H / 2 + 12};
};

const draw = () => {
  const box = canvas();
  box.querySelectorAll('svg.g, .wait').forEach(old => old.remove());
  const {width, height} = laid.graph(), marks = box.dataset.marks ? JSON.parse(box.dataset.marks) : [];
  const taken = new Map(), ways = new Set();
  for (const [n, step, exit] of marks) { taken.set(step, [...taken.get(step) || [], n]); ways.add(step + ' ' + exit); }
  const svg = el('svg', {class: 'g', viewBox: `0 0 ${width} ${height}`, role: 'group', 'aria-label': box.dataset.label});
  svg.append(el('defs', {}, ...[['a', 8, 4], ['on', 13, 6]].map(([id, w, h]) => el('marker', {id: 'arrow-' + id, markerWidth: w + 1, markerHeight: 2 * h + 1, refX: w - 1, refY: h, orient: 'auto', markerUnits: 'userSpaceOnUse'}, el('path', {d: `M0 0 ${w} ${h} 0 ${2 * h}z`, class: 'head-' + id})))));
  const lines = el('g', {'aria-hidden': 'true'}), words = [], nodes = new Map();
  for (const edge of [...laid.edges(), ...laid.more]) {
    const {points, step, end, x, y, words: label} = edge.step ? straight(edge) : laid.edge(edge);
    const on = step ? end.exits.some(exit => ways.has(step.id + ' ' + exit)) : marks.length && marks[0][1] === data.start.to && marks[0][0] === '1';
    const dead = end && !end.to;
    lines.append(el('path', {class: `edge ${on ? 'on' : ''} ${dead ? end.bad ? 'bad' : 'end' : ''}`, d: curve(laid.node(edge.v), laid.node(edge.w), points), 'marker-end': dead ? undefined : `url(#arrow-${on ? 'on' : 'a'})`}));
    if (label) words.push([edge.v, out(step, end, label, x, y + 4, on ? 'on' : '', edge.w)]);
  }
  for (const id of laid.nodes()) {
    const {x, y, width: w, height: h, step, end, told, fixes} = laid.node(id);
    if (!end) continue;
    const group = out(step, end, told, x, y - h / 2 + 14, end.bad ? 'bad' : ways.has(step.id + ' ' + end.exits[0]) ? 'on' : '');
    group.append(el('text', {class: 'exit ' + (end.bad ? 'bad' : ''), x, y: y - h / 2 + 30}, end.words));
    words.push([step.id, group]);
    fixes.forEach((fix, n) => words.push([step.id, button(step, end, fix, x, y - h / 2 + 38 + n * 30)]));
  }
  nodes.set(start, node({id: start, name: data.start.title + ': ' + data.start.text, title: data.start.title, text: data.start.text, icon: 'calls', url: data.start.url, ends: []}, taken));
  for (const step of data.steps) nodes.set(step.id, node(step, taken));
  svg.append(lines);
  /* In the order of the text: a step, then its ways out. */
  for (const [id, made] of nodes) svg.append(made, ...words.filter(([of]) => of === id).map(([, each]) => each));
  box.append(svg);
  box.classList.toggle('choosing', Boolean(box.dataset.exit));
  const chosen = nodes.get(box.dataset.chosen) || nodes.get(start);
  chosen.setAttribute('tabindex', '0');
  if (box.dataset.chosen && nodes.has(box.dataset.chosen)) chosen.classList.add('sel');
  size();
  const first = box.dataset.chosen || (marks.length && marks[0][1]);
  if (laid.fresh === undefined) { laid.fresh = false; show(first || data.start.to); }
  if (!data.steps.length) tell(box.dataset.empty);
};
const show = id => {
  const at = id && laid.node(id), box = canvas();
  if (at) { box.scrollLeft = at.x * zoom - box.clientWidth / 2; box.scrollTop = Math.max(0, at.y * zoom - box.clientHeight / 3); }
};
const node = (step, taken) => {
  const {x, y} = laid.node(step.id), numbers = taken.get(step.id);
  const a = el('a', {class: `node ${step.bad ? 'bad' : ''} ${numbers ? 'on' : ''}`, href: step.url, transform: `translate(${x - W / 2} ${y - H / 2})`, tabindex: '-1', 'data-id': step.id, 'aria-label': step.name + (numbers ? ` (${numbers.join(', ')})` : '')});
  a.append(el('rect', {class: 'o', x: -5, y: -5, width: W + 10, height: H + 10, rx: 9}), el('rect', {class: 'b', width: W, height: H, rx: 6}));
  a.append(el('svg', {class: 'i', x: 10, y: 9, width: 17, height: 17}, el('use', {href: '#i-' + step.icon})));
  a.append(el('text', {x: 34, y: 22}, cut(step.title, 18)), el('text', {class: 's', x: 12, y: 44}, cut(step.text || '', 26)));
  a.append(el('title', {}, step.name));
  if (step.bad) a.append(el('svg', {class: 'mark', x: W - 24, y: 8, width: 16, height: 16}, el('use', {href: '#s-bad'})));
  if (numbers) a.append(el('g', {class: 'hop'}, el('circle', {cx: W, r: 11}), el('text', {x: W, y: 4}, cut(numbers.join(','), 5))));
  return a;
};
const out = (step, end, label, x, y, kind) => el('a', {class: 'out', href: end.url, tabindex: '-1', 'data-of': step.id, 'aria-label': `${step.title}: ${end.label}${end.to ? '' : ', ' + end.words}`}, el('text', {class: 'exit ' + kind, x, y}, label));
const button = (step, end, fix, x, y) => {
  const width = wide(fix.label) + 10, made = el('g', {class: 'fix', role: 'button', tabindex: '-1', transform: `translate(${x - width / 2} ${y})`, 'data-of': step.id, 'aria-label': `${step.title}, ${end.label}: ${fix.label}`});
  made.append(el('rect', {width, height: 26, rx: 6}), el('text', {x: width / 2, y: 17}, fix.label));
  made.way = {url: end.url, to: fix.to, exits: end.exits, was: end.was};
  return made;
};

/* ---- the keyboard ---- */

const places = () => [...canvas().querySelectorAll('.node')];
const onward = id => (id === start ? [data.start.to] : data.steps.find(step => step.id === id).ends.map(end => end.to)).filter(to => to && laid.hasNode(to));
const move = (from, key) => {
  const at = laid.node(from);
  if (key === 'ArrowDown' || key === 'ArrowUp') {
    const next = (key === 'ArrowDown' ? onward(from) : [start, ...data.steps.map(step => step.id)].filter(id => onward(id).includes(from))).filter(id => id !== from);
    return next.sort((a, b) => Math.abs(laid.node(a).x - at.x) - Math.abs(laid.node(b).x - at.x))[0];
  }
  const side = key === 'ArrowRight' ? 1 : -1;
  return laid.nodes().filter(id => !laid.node(id).end && Math.abs(laid.node(id).y - at.y) < H && (laid.node(id).x - at.x) * side > 0).sort((a, b) => (laid.node(a).x - laid.node(b).x) * side)[0];
};
document.addEventListener('keydown', e => {
  if (e.ctrlKey && e.key.toLowerCase() === 'z' && !e.target.closest('input,textarea,select')) {
    const undo = document.getElementById('undo');
    if (undo) { e.preventDefault(); undo.requestSubmit(); }
    return;
  }
  const fix = e.target.closest?.('.fix');
  if (fix && (e.key === 'Enter' || e.key === ' ')) { e.preventDefault(); cure(fix); return; }
  const node = e.target.closest?.('a.node');
  if (!node || e.altKey || e.ctrlKey || e.metaKey) return;
  if (e.key.startsWith('Arrow')) {
    const to = move(node.dataset.id, e.key), next = places().find(each => each.dataset.id === to);
    e.preventDefault();
    if (!next) return;
    node.setAttribute('tabindex', '-1'); next.setAttribute('tabindex', '0'); next.focus({preventScroll: true});
    next.scrollIntoView({block: 'nearest', inline: 'nearest'});
  } else if (e.key === 'Delete' && node.dataset.id !== start) {
    e.preventDefault();
    swap(node.getAttribute('href'), {}, () => document.getElementById('gone')?.showModal());
  }
});

/* Others change the flow as well: what the bar says makes the picture look again. */
let again;
document.addEventListener('live', e => { if (e.detail.startsWith('bar')) { clearTimeout(again); again = setTimeout(read, 800); } });

read();
})();
