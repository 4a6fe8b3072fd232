package secret

import (
	"fmt"
	"io"
	"strings"
)

// Platform is a CI system that masks its logs itself once it knows a secret.
type Platform string

// The platforms; None is any other place.
const (
	None           Platform = ""
	AzurePipelines Platform = "Azure Pipelines"
	GitHubActions  Platform = "GitHub Actions"
)

// DetectPlatform says where this process runs.
func DetectPlatform(getenv func(string) string) Platform {
	switch {
	case strings.EqualFold(getenv("TF_BUILD"), "true"):
		return AzurePipelines
	case strings.EqualFold(getenv("GITHUB_ACTIONS"), "true"):
		return GitHubActions
	}
	return None
}

// Announce tells the platform a secret, line by line, so that it masks the logs of the steps that follow too. The platform's
// agent takes these lines out of the log. out must be the process's real standard output: not a [Writer], which would mask
// what is announced, and never a file. Lines too short to be masked are not announced.
func Announce(out io.Writer, p Platform, s Secret) error {
	command, escape := "", strings.NewReplacer()
	switch p {
	case AzurePipelines:
		command, escape = "##vso[task.setsecret]", strings.NewReplacer("%", "%AZP25")
	case GitHubActions:
		command, escape = "::add-mask::", strings.NewReplacer("%", "%25")
	default:
		return nil
	}
	for line := range strings.FieldsFuncSeq(s.Reveal(), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); len(line) < MinLength {
			continue
		}
		if _, err := fmt.Fprintln(out, command+escape.Replace(line)); err != nil {
			return fmt.Errorf("announcing a secret to %s: %w", p, err)
		}
	}
	return nil
}
