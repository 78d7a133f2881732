// Takes what arrives and how the page is looked at, leaves the server told how far this side got and read it.

const PAUSE = 1000; // between two frames

/**
 * startSeen({ log, send, atEnd }) -> { look(), opened(), read() }
 *   atEnd()    whether the newest line is on screen, were the page looked at
 *   look()     something arrived, or was scrolled to
 *   opened()   a new socket knows nothing
 *   read()     seq of the newest line that was on screen
 */
export function startSeen({ log, send, atEnd }) {
  let read = 0;
  let told = { delivered: -1, read: -1 };
  let timer = 0;

  function look() {
    if (document.visibilityState === "visible" && atEnd()) read = Math.max(read, log.last());
    if (!timer) tell();
  }

  function tell() {
    timer = 0;
    const now = { delivered: log.last(), read };
    if (now.delivered === told.delivered && now.read === told.read) return;
    if (!send({ type: "seen", ...now })) return;
    told = now;
    timer = setTimeout(tell, PAUSE);
  }

  document.addEventListener("visibilitychange", look);

  return {
    look,
    opened() {
      told = { delivered: -1, read: -1 };
      look();
    },
    read() {
      look();
      return read;
    },
  };
}
