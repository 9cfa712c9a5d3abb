"""Which providers this installation can use, each with the model it uses where nobody names one."""

from app.providers.prices import DEFAULT_MODELS
from app.settings import Settings


def configured_models(settings: Settings) -> dict[str, str]:
    """Provider name to model name."""
    present = {
        "openai": (settings.openai_api_key, settings.openai_model),
        "anthropic": (settings.anthropic_api_key, settings.anthropic_model),
        "local": (settings.local_base_url, settings.local_model),
    }
    return {name: model or DEFAULT_MODELS[name] for name, (access, model) in present.items() if access}
