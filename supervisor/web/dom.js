// Keyed patching of the page, so that a render each second neither flickers nor takes the focus away.
// Text is always set as text: nothing that a station sends is ever parsed as markup.

const SVG_NS = 'http://www.w3.org/2000/svg';
const SVG_TAGS = new Set(['svg', 'rect', 'path', 'line', 'circle', 'title']);
const KEY = Symbol('key');
const PROPS = Symbol('props');

/** Describes an element; `props.key` names it among its siblings, `props.opaque` leaves its content to others. */
export function h(tag, props, ...children) {
  const shown = children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== '');
  return { tag, props: props ?? {}, children: shown };
}

/** Makes the children of `parent` what `nodes` describes. */
export function render(parent, ...nodes) {
  patch(parent, h('', null, nodes).children);
}

function patch(parent, wanted) {
  const keyed = new Map();
  const free = [];
  for (const node of parent.childNodes) {
    if (node[KEY] === undefined) free.push(node);
    else keyed.set(node[KEY], node);
  }
  const nodes = wanted.map((v) => take(v, keyed, free) ?? create(v));
  // Removing first keeps the nodes that stay where they are: a moved node would lose the focus.
  const kept = new Set(nodes);
  for (const node of [...parent.childNodes]) if (!kept.has(node)) node.remove();
  let cursor = parent.firstChild;
  nodes.forEach((node, i) => {
    if (node === cursor) cursor = cursor.nextSibling;
    else parent.insertBefore(node, cursor);
    update(node, wanted[i]);
  });
}

function take(v, keyed, free) {
  if (typeof v !== 'object') {
    const i = free.findIndex((n) => n.nodeType === Node.TEXT_NODE);
    return i < 0 ? null : free.splice(i, 1)[0];
  }
  const fits = (n) => n && n.nodeType === Node.ELEMENT_NODE && n.localName === v.tag;
  if (v.props.key !== undefined) {
    const node = keyed.get(v.props.key);
    keyed.delete(v.props.key);
    return fits(node) ? node : null;
  }
  const i = free.findIndex(fits);
  return i < 0 ? null : free.splice(i, 1)[0];
}

function create(v) {
  if (typeof v !== 'object') return document.createTextNode(String(v));
  const node = SVG_TAGS.has(v.tag) ? document.createElementNS(SVG_NS, v.tag) : document.createElement(v.tag);
  if (v.props.key !== undefined) node[KEY] = v.props.key;
  return node;
}

function update(node, v) {
  if (typeof v !== 'object') {
    if (node.data !== String(v)) node.data = String(v);
    return;
  }
  const before = node[PROPS] ?? {};
  for (const name of Object.keys(before)) if (!(name in v.props)) node.removeAttribute(name);
  for (const [name, value] of Object.entries(v.props)) {
    if (name === 'key' || name === 'opaque' || before[name] === value) continue;
    if (value === false || value === null || value === undefined) node.removeAttribute(name);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node[PROPS] = v.props;
  if (!v.props.opaque) patch(node, v.children);
}
