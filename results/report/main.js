/* Begins; where a server shows the run live, asks it for news. */

const PAUSE_MS = 3000;
const PATIENCE = 3; // a run whose overview takes long is asked for it less often

async function refreshPlayer() {
  fillCells();
  if (!player.cell) return route();
  const { entry, episode, position, asked } = player;
  const followed = position === lastPosition();
  const cell = overview.now.cells.find(isCurrent) || player.cell;
  const entries = sorted(await source.entries(cell));
  if (player.asked !== asked) return undefined; // the reader went elsewhere meanwhile
  const same = entries.find((one) => one.id === entry.id) || entry;
  if (episode.status === "running" && !player.timer) {
    return goToEpisode(same, followed ? Infinity : player.position, cell, entries);
  }
  Object.assign(player, { cell, entries, entry: same });
  fillEntries();
  return goToStep(player.position);
}

async function poll() {
  const began = performance.now();
  try {
    const news = await ask(`overview.json?since=${overview.now.revision}`);
    if (news) {
      overview.now = news;
      drawBoard();
      await refreshPlayer();
    }
    byId("pulse").textContent = overview.now.pulse;
  } catch (error) {
    byId("pulse").textContent = "The server cannot be reached; trying again.";
  }
  setTimeout(poll, Math.max(PAUSE_MS, PATIENCE * (performance.now() - began)));
}

drawBoard();
listenToPlayer();
fillCells();
guarded(route()).then(() => {
  document.documentElement.dataset.ready = "yes";
  if (overview.now.live) poll();
});
