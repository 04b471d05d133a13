"""What a plan is held to beside its guards: policies, the environment, for whom it is encrypted."""
