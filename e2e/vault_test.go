//go:build e2e

package e2e

import "testing"

// The Key Vault stand-in with its faults, and the definitions that make a cluster fetch secrets, are there once: what uses them
// runs one after another, beside all the other tests.
func TestVariables(t *testing.T) {
	t.Parallel()
	for _, promise := range []struct {
		name string
		test func(*testing.T)
	}{
		{"a vault in trouble touches nothing and is not in the way", aVaultInTroubleTouchesNothing},
		{"going back in place finds the Secret of the revision before", goingBackFindsTheSecretBefore},
		{"a release that is taken over keeps the values that it began with", takenOverKeepsItsValues},
		{"External Secrets fetches what Slipway may not read", externalSecretsFetches},
		{"going back in place finds what the cluster fetched before", goingBackFindsWhatWasFetched},
		{"the CSI driver fetches what Slipway may not read", theCSIDriverFetches},
		{"no secret is anywhere but in the cluster's Secret", noSecretIsAnywhereElse},
	} {
		t.Run(promise.name, promise.test)
	}
}
