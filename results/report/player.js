/* The player: which cell, which episode, which step; by mouse, by keys, by the page's address. */

const player = { cell: null, entries: [], entry: null, episode: null, position: 0, timer: null, asked: 0 };
const ORDERS = {
  opening: (a, b) => a.opening - b.opening,
  wrong: (a, b) => b.wrong - a.wrong || a.opening - b.opening,
  low: (a, b) => (a.score ?? Infinity) - (b.score ?? Infinity) || a.opening - b.opening,
  high: (a, b) => (b.score ?? -Infinity) - (a.score ?? -Infinity) || a.opening - b.opening,
};

function lastPosition() {
  const { episode } = player;
  return episode ? episode.steps.length - (episode.status === "running" && episode.steps.length ? 1 : 0) : 0;
}

function fillCells() {
  const groups = new Map();
  for (const [index, cell] of overview.now.cells.entries()) {
    if (!cell.count) continue;
    const name = [overview.now.runs.length > 1 && overview.now.runs[cell.run].name, cell.task, cell.format]
      .filter(Boolean).join(" · ");
    if (!groups.has(name)) groups.set(name, make("optgroup", { label: name }));
    groups.get(name).append(make("option", { value: index }, cell.label));
  }
  byId("cell").replaceChildren(...groups.values());
  if (player.cell) byId("cell").value = overview.now.cells.findIndex(isCurrent);
}

function isCurrent(cell) {
  return player.cell && cell.run === player.cell.run && cell.id === player.cell.id;
}

function fillEntries() {
  const shown = player.entries.map((entry) => make("option", { value: entry.id }, [
    `opening ${entry.opening}`,
    entry.score === null ? entry.status : `score ${number(entry.score, 3)}`,
    counted(entry.steps, "step"),
    entry.wrong ? `${entry.wrong} wrong` : null,
    entry.known ? `${entry.agreed}/${entry.known} as expert` : null,
  ].filter(Boolean).join(" · ")));
  byId("episode").replaceChildren(...shown);
  if (player.entry) byId("episode").value = player.entry.id;
}

function sorted(entries) {
  return entries.sort(ORDERS[byId("order").value]);
}

/** Goes to a cell; to the same opening as before, where that is there. */
async function goToCell(cell, opening, position = 0) {
  const wanted = opening ?? (player.entry ? player.entry.opening : null);
  const turn = ++player.asked;
  const entries = sorted(await source.entries(cell));
  const entry = entries.find((one) => one.opening === wanted) || entries[0];
  if (turn === player.asked && entry) await goToEpisode(entry, position, cell, entries);
}

/** Shows an episode, unless another one is asked for while it is fetched. */
async function goToEpisode(entry, position = 0, cell = player.cell, entries = player.entries) {
  const turn = ++player.asked;
  const episode = await source.episode(cell, entry);
  if (turn !== player.asked) return;
  Object.assign(player, { cell, entries, entry, episode });
  fillCells();
  fillEntries();
  drawAbout();
  goToStep(position);
}

function goToStep(position) {
  const last = lastPosition();
  player.position = Math.max(0, Math.min(last, position));
  const { episode, entry, cell } = player;
  drawStep(episode, player.position);
  byId("slider").max = last;
  byId("slider").value = player.position;
  const ended = player.position >= episode.steps.length;
  const where = ended ? "end" : `step ${player.position} · last ${episode.steps.length - 1}`;
  byId("where").textContent = where;
  byId("slider").setAttribute("aria-valuetext", where);
  for (const [i, mark] of [...byId("strip").children].entries()) mark.classList.toggle("here", i === player.position);
  for (const id of ["first", "previous"]) byId(id).disabled = player.position === 0;
  for (const id of ["next", "last"]) byId(id).disabled = player.position === last;
  const place = player.entries.indexOf(entry);
  byId("back").disabled = place <= 0;
  byId("forth").disabled = place >= player.entries.length - 1;
  const hash = `#play/${cell.run}/${cell.hash}/${entry.opening}/${player.position}`;
  byId("link").href = hash;
  if (player.routed) history.replaceState(null, "", hash);
  if (player.position === last) stop();
}

function drawAbout() {
  const { episode, entry, cell } = player;
  const pairs = [
    ["status", episode.status + (episode.message ? `: ${episode.message}` : "")],
    ["score", episode.score === undefined ? null : number(episode.score, 4)],
    ["steps", `${entry.steps}${entry.wrong ? `, ${entry.wrong} with a wrong reply` : ""}`],
    ["expert", !episode.expert ? null : episode.departs === undefined ? "never leaves its course"
      : `leaves its course at step ${episode.departs}`],
    ["in this list", cell.count < cell.total ? `${cell.count} of ${cell.total} episodes` : counted(cell.total, "episode")],
    ["held back", episode.left_out && `${counted(episode.left_out, "demonstration")} of the opening itself`],
    ["leaked", episode.leaked && `the opening itself is in ${counted(episode.leaked, "demonstration")}`],
    ["near", episode.near && `a near duplicate of it is in ${counted(episode.near, "demonstration")}`],
    ["attempt", episode.attempt && String(episode.attempt + 1)],
    ["cannot be shown", episode.steps.length && episode.unshown],
  ].filter(([, text]) => text);
  byId("about").replaceChildren(...pairs.flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]));
  const { demonstrations = [], reasons, shows = 0 } = episode;
  const each = Array.isArray(reasons) ? reasons : [];
  byId("demonstrations").hidden = !shows;
  byId("demonstrations").querySelector("summary").textContent =
    `Demonstrations shown: ${shows}${typeof reasons === "string" && reasons ? ` (${reasons})` : ""}`;
  byId("demonstrations").querySelector("ol").replaceChildren(
    ...demonstrations.map((id, i) => make("li", {}, make("code", {}, id), each[i] ? ` ${each[i]}` : "")),
    ...(shows > demonstrations.length ? [make("li", {}, `and ${shows - demonstrations.length} more`)] : []));
  const known = overview.now.live || entry.beginnings !== null;
  byId("beginning").hidden = !episode.prompted || !known;
  byId("beginning").open = false;
  const steps = episode.steps.length <= 500 ? episode.steps : [];
  byId("strip").replaceChildren(...steps.map((step) => make("i", { class: kindOf(step) })),
    ...(steps.length ? [make("i", { class: "end" })] : []));
}

async function showBeginning() {
  if (!byId("beginning").open) return;
  const found = await source.beginning(player.cell, player.entry);
  byId("beginning").querySelector("pre").textContent =
    found.text + (found.whole ? "" : "\n[… and so on: this is how it begins]");
}

function stop() {
  clearInterval(player.timer);
  player.timer = null;
  byId("stage").classList.remove("playing");
  byId("play").setAttribute("aria-label", "Play");
  byId("step").setAttribute("aria-live", "polite");
}

function toggle() {
  if (player.timer) return stop();
  if (player.position === lastPosition()) goToStep(0);
  player.timer = setInterval(() => goToStep(player.position + 1), Number(byId("speed").value));
  byId("stage").classList.add("playing");
  byId("play").setAttribute("aria-label", "Pause");
  byId("step").setAttribute("aria-live", "off");
}

function goBy(episodes) {
  const entry = player.entries[player.entries.indexOf(player.entry) + episodes];
  if (entry) guarded(goToEpisode(entry));
}

function watchCell(run, id) {
  const cell = overview.now.cells.find((one) => one.run === run && one.id === id);
  player.routed = true;
  guarded(goToCell(cell));
  byId("episodes").scrollIntoView();
  byId("stage").focus({ preventScroll: true });
}

const KEYS = {
  ArrowLeft: () => goToStep(player.position - 1),
  ArrowRight: () => goToStep(player.position + 1),
  Home: () => goToStep(0),
  End: () => goToStep(lastPosition()),
  " ": toggle,
  p: () => goBy(-1),
  n: () => goBy(1),
};

/** Keys count in the player, and arrows where nothing else has the focus. */
function onKey(event) {
  const { target, key } = event;
  if (!player.episode || !KEYS[key] || event.ctrlKey || event.metaKey || event.altKey) return;
  const inside = byId("player").contains(target);
  const moves = key.startsWith("Arrow") || key === "Home" || key === "End";
  if (!inside && !(target === document.body && key.startsWith("Arrow"))) return;
  if (target.tagName === "SELECT" || (target === byId("slider") && moves)) return;
  if (key === " " && ["BUTTON", "SUMMARY", "A"].includes(target.tagName)) return;
  event.preventDefault();
  player.routed = true;
  KEYS[key]();
}

function guarded(work) {
  return work.then(() => showTrouble(""), (error) => showTrouble(error.message));
}

/** Opens what the page's address names, or the first episode there is. */
async function route() {
  const [kind, run, hash, opening, position] = location.hash.slice(1).split("/");
  const named = kind === "play" && overview.now.cells.find((cell) =>
    cell.run === Number(run) && cell.hash === hash && cell.count);
  player.routed = player.routed || Boolean(named);
  if (named) {
    await goToCell(named, Number(opening), Number(position) || 0);
    byId("episodes").scrollIntoView();
  } else if (!player.cell) {
    const first = overview.now.cells.find((cell) => cell.count);
    byId("player").hidden = !first;
    if (first) await goToCell(first);
  }
}

function listenToPlayer() {
  const on = (id, event, action) => byId(id).addEventListener(event, () => {
    player.routed = true;
    action();
  });
  on("cell", "change", () => guarded(goToCell(overview.now.cells[byId("cell").value])));
  on("order", "change", () => { sorted(player.entries); fillEntries(); goToStep(player.position); });
  on("episode", "change", () => guarded(goToEpisode(player.entries[byId("episode").selectedIndex])));
  on("back", "click", () => goBy(-1));
  on("forth", "click", () => goBy(1));
  on("first", "click", () => goToStep(0));
  on("previous", "click", () => goToStep(player.position - 1));
  on("next", "click", () => goToStep(player.position + 1));
  on("last", "click", () => goToStep(lastPosition()));
  on("play", "click", toggle);
  on("speed", "change", () => { if (player.timer) { stop(); toggle(); } });
  on("slider", "input", () => goToStep(Number(byId("slider").value)));
  byId("strip").addEventListener("click", (event) => {
    const place = [...byId("strip").children].indexOf(event.target);
    if (place >= 0) { player.routed = true; goToStep(place); }
  });
  byId("beginning").addEventListener("toggle", () => guarded(showBeginning()));
  document.addEventListener("keydown", onKey);
  window.addEventListener("hashchange", () => guarded(route()));
}
