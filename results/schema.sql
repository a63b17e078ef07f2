-- The run store, layout 4. One SQLite file a run.
--
-- Texts and images stand once each in `parts`, under their hash; a list of hashes (16 bytes
-- each, one after the other) is a blob. The request of a step is: the parts of its prefix (the
-- episode's unless it has one of its own), the `shown` parts of the episode's steps up to this one, and this step's `question`.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL              -- JSON
) WITHOUT ROWID;

-- What played: versions of icil, of Python and of the libraries. Most often one.
CREATE TABLE software (
    id INTEGER PRIMARY KEY,
    description TEXT NOT NULL UNIQUE -- JSON
);

-- Of meta, cells and software: whether they were changed by hand (`seals.py`).
CREATE TABLE seals (
    name TEXT PRIMARY KEY,
    seal BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE cells (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,       -- of everything that decides the cell's episodes
    task TEXT NOT NULL,
    format TEXT NOT NULL,            -- '' where the agent looks at no observation
    agent TEXT NOT NULL,
    selector TEXT NOT NULL,          -- '' where no demonstrations are shown
    demonstrations INTEGER NOT NULL,
    context_tokens INTEGER,
    options TEXT NOT NULL,           -- JSON
    asked INTEGER NOT NULL           -- 0 for reference players that nobody asked for
);

CREATE TABLE episodes (
    id INTEGER PRIMARY KEY,
    cell INTEGER NOT NULL REFERENCES cells (id),
    opening INTEGER NOT NULL,        -- its index in the split that the run plays
    status TEXT NOT NULL CHECK (status IN ('running', 'done', 'error', 'overlong')),
    score REAL,                      -- the return; set when done
    message TEXT,                    -- why it is in error or overlong
    prefix BLOB,                     -- set once a prompt was made
    demonstrations TEXT NOT NULL,    -- JSON: the ids, in the order shown
    reasons TEXT NOT NULL,           -- JSON: why each was chosen; one text if all alike
    left_out INTEGER NOT NULL,       -- demonstrations not offered, for they show the opening
    leaked INTEGER NOT NULL,         -- those shown that pass through the opening
    near INTEGER NOT NULL,           -- those shown that pass through its near duplicate only
    attempt INTEGER NOT NULL,        -- from 0; an agent that cannot go on in the middle starts again
    software INTEGER REFERENCES software (id),   -- what ended it
    seal BLOB,                       -- of this row, its steps and its imitation; set when it ends
    UNIQUE (cell, opening)
);

CREATE TABLE steps (
    episode INTEGER NOT NULL REFERENCES episodes (id),
    attempt INTEGER NOT NULL,        -- only those of the episode's attempt count, all of them cost
    step INTEGER NOT NULL,
    shown BLOB NOT NULL,             -- what the model saw that was new at this step
    question BLOB NOT NULL,
    prefix BLOB,                     -- where demonstrations are chosen for each step; else NULL
    demonstrations TEXT,             -- likewise: JSON, the ids, in the order shown
    reasons TEXT,                    -- likewise: JSON, why each was chosen; one text if all alike
    prompt BLOB,                     -- the hash of the whole prompt
    reply TEXT NOT NULL,             -- of an agent that answers chunks: the chunk, JSON, where it
                                     -- was asked (latency_s is set), else the action alone
    status TEXT NOT NULL CHECK (status IN ('ok', 'empty', 'invalid', 'illegal')),
    otherwise TEXT,                  -- the status if read leniently (or strictly); NULL: the same
    reason TEXT,
    action TEXT NOT NULL,            -- what was played, in the wording that the model sees; not
                                     -- the reply's where status is not ok
    expected TEXT,                   -- JSON: what the expert might do here; NULL: not known
    agrees INTEGER,                  -- whether the reply is the expert's action; NULL: not known
    copies INTEGER,                  -- whether it is that of the nearest demonstrated state
    reward REAL,                     -- NULL until the world is known to have answered
    outcome TEXT,                    -- JSON
    success INTEGER,                 -- whether the goal is met then; NULL in worlds without one
    input_tokens INTEGER NOT NULL,
    cached_input_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    images INTEGER NOT NULL,         -- in the prompt
    cost_usd REAL,                   -- NULL where the price is unknown
    latency_s REAL,                  -- NULL where no model was called
    model TEXT,                      -- the name that answered
    finish TEXT,                     -- why the model stopped: stop, length, refusal, other
    detail TEXT,                     -- more about that, in the provider's words
    parameters TEXT,                 -- JSON: what was sent beside the prompt
    dropped TEXT,                    -- JSON: parameters that the model does not take
    PRIMARY KEY (episode, attempt, step)
) WITHOUT ROWID;

-- How finished episodes imitate, measured after the run; `steps` has it step by step.
CREATE TABLE imitation (
    episode INTEGER PRIMARY KEY REFERENCES episodes (id),
    expert INTEGER NOT NULL,         -- whether the expert was asked
    departs INTEGER                  -- the first step whose action is not the expert's, if any
);

CREATE TABLE prefixes (
    hash BLOB PRIMARY KEY,
    parts BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE parts (
    hash BLOB NOT NULL UNIQUE,
    kind TEXT NOT NULL CHECK (kind IN ('text', 'said', 'png')),   -- said: by the model, in a chat
    content BLOB NOT NULL
);
