"""The subcommands of `kappa`, grouped by what a user does with them."""
