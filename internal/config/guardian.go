package config

import (
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

// Guardian is the Job in the cluster that takes a release back when the process that runs it has died.
type Guardian struct {
	// OnLoss is what happens then: "rollback" (default) takes the release back at once; with "none" there is no guardian.
	OnLoss string `yaml:"onLoss,omitempty" json:"onLoss,omitempty"`
	// Endpoint is the URL at which pods reach the gateway; default: the environment's endpoint.
	Endpoint string `yaml:"endpoint,omitempty" json:"endpoint,omitempty"`
	// Image is an image of slipway, by digest; default: the one that `slipway build` has put beside the bundle.
	Image string `yaml:"image,omitempty" json:"image,omitempty"`
}

// What a guardian does when the runner has died.
const (
	OnLossRollback = "rollback"
	OnLossNone     = "none"
)

var lossOutcomes = []string{OnLossRollback, OnLossNone}

func guardianDefaults(g Guardian, endpoint string) Guardian {
	if g.OnLoss == "" {
		g.OnLoss = OnLossRollback
	}
	if g.Endpoint == "" {
		g.Endpoint = endpoint
	}
	g.Endpoint = strings.TrimRight(g.Endpoint, "/")
	return g
}

func (d *document) checkGuardian(path string, g Guardian) {
	if sub := path + ".onLoss"; d.set(sub) && !slices.Contains(lossOutcomes, g.OnLoss) {
		d.fail(sub, "%s is %q, but must be %s", sub, g.OnLoss, strings.Join(lossOutcomes, ", "))
	}
	if sub := path + ".endpoint"; d.set(sub) {
		d.checkEndpoint(sub, g.Endpoint)
	}
	if sub := path + ".image"; d.set(sub) {
		if _, err := name.NewDigest(g.Image); err != nil {
			d.fail(sub, "%s is %q, but an image is named by its digest, REPOSITORY@sha256:…, so that what runs is what was meant", sub, g.Image)
		}
	}
}
