"""Which providers this installation can use, each with the model it uses where nobody names one."""

from app.settings import Settings

DEFAULT_MODELS = {
    "openai": "gpt-6-luna",
    "anthropic": "claude-haiku-5-5",
    "huggingface": "meta-llama/Llama-3.3-70B-Instruct:together",
    "replicate": "meta/meta-llama-3-70b-instruct",
    "local": "smollm2-135m-instruct",
}


def configured_models(settings: Settings) -> dict[str, str]:
    """Provider name to model name."""
    return {name: model or DEFAULT_MODELS[name] for name, model in _present(settings).items()}


def fixed_models(settings: Settings) -> frozenset[str]:
    """The providers whose model the operator has named: it is used whatever the table of classes says."""
    return frozenset(name for name, model in _present(settings).items() if model)


def _present(settings: Settings) -> dict[str, str | None]:
    present = {
        "openai": (settings.openai_api_key, settings.openai_model),
        "anthropic": (settings.anthropic_api_key, settings.anthropic_model),
        "huggingface": (settings.huggingface_api_key, settings.huggingface_model),
        "replicate": (settings.replicate_api_token, settings.replicate_model),
        "local": (settings.local_base_url, settings.local_model),
    }
    return {name: model for name, (access, model) in present.items() if access}
