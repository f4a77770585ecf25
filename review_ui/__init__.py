"""Label Studio for the experts: label config, push, pull, ledger, agreement and adjudication."""
