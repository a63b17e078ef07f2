/* Where the page's data come from: packs in the page itself, or the server that shows a run live.
   Whatever a model wrote ends up in text nodes; nothing is ever parsed as HTML. */

const overview = { now: JSON.parse(document.getElementById("overview").textContent) };

function byId(id) {
  return document.getElementById(id);
}

/** Makes an element; texts among its children become text nodes. */
function make(name, attributes, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (value !== null && value !== undefined && value !== false) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

function makeSvg(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Returns a count with its noun. */
function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

function showTrouble(text) {
  byId("trouble").textContent = text;
  byId("trouble").hidden = !text;
}

/** Opens a pack: base64 of a zlib stream of JSON. */
async function unpack(id) {
  if (typeof DecompressionStream === "undefined") {
    throw new Error("This browser cannot open the packed episodes (it lacks DecompressionStream). " +
      "Any of 2023 or later can: Chrome or Edge 80, Firefox 113, Safari 16.4.");
  }
  const raw = atob(byId(id).textContent);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

/** Remembers the last few packs that were opened. */
function remembering(open, most) {
  const known = new Map();
  return (key) => {
    if (!known.has(key)) {
      known.set(key, open(key));
      if (known.size > most) known.delete(known.keys().next().value);
    }
    return known.get(key);
  };
}

const openPack = remembering(unpack, 6);

/** An entry of a cell's list of episodes, by names. */
function readEntry(row) {
  const [id, opening, status, score, steps, wrong, agreed, known, pack, beginnings] = row;
  return { id, opening, status, score, steps, wrong, agreed, known, pack, beginnings };
}

const packed = {
  async entries(cell) {
    return cell.episodes.map(readEntry);
  },
  async episode(cell, entry) {
    const found = await openPack(`pack-${entry.pack}`);
    const episode = found[`${cell.run}:${entry.id}`];
    const places = byId("places") ? await openPack("places") : {};
    episode.url = (key) => {
      const place = places[`${cell.run}:${key}`];
      return place === undefined ? null : `data:image/webp;base64,${byId(`i${place}`).textContent}`;
    };
    episode.gap = overview.now.notes[overview.now.gaps[`${cell.run}:${entry.id}`]];
    return episode;
  },
  async beginning(cell, entry) {
    const found = await openPack(`beginnings-${entry.beginnings}`);
    return found[`${cell.run}:${entry.id}`];
  },
};

async function ask(path) {
  const response = await fetch(path, { cache: "no-store" });
  if (response.status === 204) return null;
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  return response.json();
}

const served = {
  async entries(cell) {
    return (await ask(`cells/${cell.id}.json`)).map(readEntry);
  },
  async episode(cell, entry) {
    const episode = await ask(`episodes/${entry.id}.json`);
    episode.url = (key) => {
      const content = episode.pictures[key];
      return content === undefined ? null : `data:image/webp;base64,${content}`;
    };
    return episode;
  },
  async beginning(cell, entry) {
    return ask(`beginnings/${entry.id}.json`);
  },
};

const source = overview.now.live ? served : packed;
