package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/slipway-cd/slipway/internal/vault"
)

// Vault is where an environment's variables are kept: in YAML either the https URL of an Azure Key Vault, or a mapping that
// names a file, which is for development.
type Vault struct {
	// URL of an Azure Key Vault, such as https://prod1-vault.vault.azure.net. Written alone, it is the vault itself.
	URL string `yaml:"url,omitempty" json:"url,omitempty"`
	// File is a YAML file of names and texts, encrypted with age; relative to slipway.yaml.
	File string `yaml:"file,omitempty" json:"file,omitempty"`
	// Plain says that the file is not encrypted: its values may be seen by whoever can read the checkout.
	Plain bool `yaml:"plain,omitempty" json:"plain,omitempty"`
	// Identity is a file with the age identities that may read the file.
	Identity string `yaml:"identity,omitempty" json:"identity,omitempty"`
	// Recipients are the age recipients that `slipway vault set` encrypts to.
	Recipients []string `yaml:"recipients,omitempty" json:"recipients,omitempty"`
}

// UnmarshalText reads a vault that is written as its URL alone.
func (v *Vault) UnmarshalText(text []byte) error {
	v.URL = string(text)
	return nil
}

// AKS names an AKS cluster, whose kubeconfig Slipway gets from Azure with its own identity.
type AKS struct {
	// Subscription is the id (a GUID) of the Azure subscription.
	Subscription string `yaml:"subscription" json:"subscription"`
	// Group is the resource group.
	Group string `yaml:"group" json:"group"`
	Name  string `yaml:"name" json:"name"`
}

// VaultRef is a ${vault:NAME} or ${vault:NAME@VERSION} inside an environment.
type VaultRef struct {
	vault.Ref
	// Path is where it stands, for example "environments.dev1.namespace".
	Path string
	// InValues says that it stands in chart values, which Helm keeps in its release records.
	InValues bool

	environment string
	at          position
}

// VaultRefs are the references to variables that stand in an environment, in the order of the file; those of `secrets:` are
// not among them.
func (c *Config) VaultRefs(environment string) []VaultRef {
	var refs []VaultRef
	for _, r := range c.vaultRefs {
		if r.environment == environment {
			refs = append(refs, r)
		}
	}
	return refs
}

// SecretRefs are the variables of an environment's `secrets:`, by name, each once.
func (e Environment) SecretRefs() []vault.Ref {
	var refs []vault.Ref
	for _, logical := range sortedKeys(e.Secrets) {
		for _, key := range sortedKeys(e.Secrets[logical]) {
			if ref, err := vault.ParseRef(e.Secrets[logical][key]); err == nil && !slices.Contains(refs, ref) {
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// ErrLater is what the function of [Config.Resolve] returns for a variable that stays a reference.
var ErrLater = errors.New("the variable is not read yet")

// Resolve is the configuration with the variables of one environment in place, checked again: what was a reference is held
// to the same rules as what is written out. In chart values the references stay, because a release resolves them with
// [Expand], but value is asked for them too. An error of value, and what is wrong with a resolved value, is an *[Error] at
// the place of the reference.
func (c *Config) Resolve(environment string, value func(VaultRef) (string, error)) (*Config, error) {
	resolved, err := parse(c.source.name, c.source.data, c.source.getenv, environment, value)
	if err != nil {
		return nil, err
	}
	resolved.Dir = c.Dir
	return resolved, nil
}

// source is what a configuration was read from.
type source struct {
	name   string
	data   []byte
	getenv func(string) string
}

// FilePath is a path of the configuration: relative ones are relative to the file.
func (c *Config) FilePath(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(c.Dir, path)
}

// environmentOf is the name of the environment that a path lies in, and what is behind it; "" for none.
func environmentOf(path string) (name, rest string) {
	below, ok := strings.CutPrefix(path, "environments.")
	if !ok {
		return "", ""
	}
	name, rest, _ = strings.Cut(below, ".")
	return name, rest
}

// vaultRef handles one ${vault:…} of a text at path, and gives what stands for it now.
func (d *document) vaultRef(at position, path, match, text string) string {
	env, rest := environmentOf(path)
	inside := func(key string) bool {
		return rest == key || strings.HasPrefix(rest, key+".") || strings.HasPrefix(rest, key+"[")
	}
	switch {
	case env == "":
		d.problem(at, path, "%s stands outside of an environment, but each environment has a vault of its own: move it into environments.NAME", match)
		return ""
	case inside("vault"), inside("azure"):
		d.problem(at, path, "%s stands in what is needed to reach the vault itself: write the value, or read an environment variable with ${NAME}", match)
		return ""
	case inside("secrets"):
		d.problem(at, path, "%s already names a variable of the vault: write %q alone", path, text)
		return ""
	case inside("after"), inside("gates"):
		d.problem(at, path, "%s stands in %s, which says how releases go, not where: write it out", match, path)
		return ""
	}
	parsed, err := vault.ParseRef(text)
	if err != nil {
		d.problem(at, path, "%s: %v", match, err)
		return ""
	}
	ref := VaultRef{Ref: parsed, Path: path, InValues: inside("values"), environment: env, at: at}
	d.vaultRefs = append(d.vaultRefs, ref)
	if d.value == nil || env != d.resolving {
		d.later[path] = true
		return match
	}
	value, err := d.value(ref)
	if errors.Is(err, ErrLater) {
		d.later[path] = true
		return match
	}
	if err != nil {
		d.problem(at, path, "%s: %v", match, err)
		return ""
	}
	if ref.InValues {
		return match
	}
	return value
}

var secretKey = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)

// maxLogical leaves room for the Helm release's name and a hash.
const maxLogical = 63

func (d *document) checkVault(path string, e Environment) {
	at := path + ".vault"
	if d.set(at) {
		switch v := e.Vault; {
		case v.URL == "" && v.File == "":
			d.fail(at, "%s is empty; write the URL of a Key Vault, such as https://NAME.vault.azure.net, or { file: PATH }", at)
		case v.URL != "" && v.File != "":
			d.fail(at, "%s has both a URL and a file; write one of them", at)
		case v.URL != "" && (v.Plain || v.Identity != "" || len(v.Recipients) > 0):
			d.fail(at, "%s: plain, identity and recipients belong to a file, not to a Key Vault", at)
		case v.URL != "" && !strings.HasPrefix(v.URL, "https://"):
			d.fail(at, "%s is %q, but must be an https URL, such as https://NAME.vault.azure.net; a file is written { file: PATH }", at, v.URL)
		}
	}
	plain := map[string]string{}
	for _, r := range d.vaultRefs {
		if env, _ := environmentOf(r.Path); "environments."+env == path {
			if name := strings.ToLower(r.Name); plain[name] == "" { // Key Vault does not tell cases apart
				plain[name] = r.Path
			}
			if !d.set(at) {
				d.problem(r.at, r.Path, "${vault:%s} needs a vault, but the environment names none: add %s", r.Ref, at)
			}
		}
	}
	if d.set(path+".secrets") && len(e.Secrets) > 0 && !d.set(at) {
		d.fail(path+".secrets", "%s.secrets needs a vault, but the environment names none: add %s", path, at)
	}
	for _, logical := range sortedKeys(e.Secrets) {
		sub := path + ".secrets." + logical
		if len(logical) > maxLogical || !label.MatchString(logical) {
			d.problem(d.place(sub), sub, "%q is no name for a secret: use at most %d %s", logical, maxLogical, labelRule)
		}
		if len(e.Secrets[logical]) == 0 {
			d.fail(sub, "%s is empty: write KEY: NAME for each value of the Kubernetes Secret", sub)
		}
		for _, key := range sortedKeys(e.Secrets[logical]) {
			in := sub + "." + key
			if !secretKey.MatchString(key) {
				d.problem(d.place(in), in, "%q is no key of a Kubernetes Secret: use letters, digits, -, _ and .", key)
			}
			if strings.Contains(e.Secrets[logical][key], "${vault:") {
				continue // said already
			}
			ref, err := vault.ParseRef(e.Secrets[logical][key])
			switch {
			case err != nil:
				d.fail(in, "%s: %v", in, err)
			case plain[strings.ToLower(ref.Name)] != "":
				d.fail(in, "the variable %s is used as a secret here and stands in %s, where it would be seen: give the two uses variables of their own", ref.Name, plain[strings.ToLower(ref.Name)])
			}
		}
	}
}

func (d *document) checkAKS(path string, c Cluster) {
	if !d.set(path + ".aks") {
		return
	}
	if c.Kubeconfig != "" || c.Context != "" {
		d.fail(path+".aks", "%s has both aks and a kubeconfig; write one of them", path)
	}
	if sub := path + ".aks.subscription"; d.set(sub) && !guid.MatchString(c.AKS.Subscription) {
		d.fail(sub, "%s is %q, but the id of a subscription is a GUID: az account show --query id", sub, c.AKS.Subscription)
	}
	for key, value := range map[string]string{"group": c.AKS.Group, "name": c.AKS.Name} {
		if sub := path + ".aks." + key; d.set(sub) && strings.TrimSpace(value) == "" {
			d.fail(sub, "%s is empty", sub)
		}
	}
}

// checkSecretRef wants a ${secret:NAME} to be declared where it can be used.
func (d *document) checkSecretRef(c *Config, at position, path, match, name string) {
	env, _ := environmentOf(path)
	var known []string
	for _, e := range sortedKeys(c.Environments) {
		if env == "" || env == e {
			known = append(known, sortedKeys(c.Environments[e].Secrets)...)
		}
	}
	if !slices.Contains(known, name) {
		d.problem(at, path, "%s in %s names a secret that `secrets` does not have%s", match, path, didYouMean(name, slices.Compact(known), "secrets"))
	}
}

// UndeclaredSecretError says that chart values ask for a secret that the environment does not declare.
func UndeclaredSecretError(environment, name string) error {
	return fmt.Errorf("${secret:%s} stands in the chart values, but environments.%s.secrets has no %s: add it, or override that value in environments.%s.values", name, environment, name, environment)
}
