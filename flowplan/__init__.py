"""flowplan: plan, price and apply GPU tasks on the Foundry Cloud Platform."""

# A constant: importlib.metadata costs more than the rest of `flowplan --version` together.
__version__ = "0.1.0"
