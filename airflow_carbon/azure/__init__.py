"""Ring 2: Azure, by azure-identity and azure-mgmt-resource alone."""
