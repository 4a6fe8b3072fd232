package appinsights

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// defaultEndpoint is what Microsoft documents for a connection string without an endpoint.
const defaultEndpoint = "https://dc.services.visualstudio.com"

var (
	guid   = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	domain = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)
)

// Connection says which Application Insights resource telemetry is for, and where to post it.
// Make one with ParseConnectionString; the zero value is not usable.
type Connection struct {
	key      string // instrumentation key, a GUID in lower case
	endpoint string // base URL without a final slash
}

// Endpoint is the base URL that telemetry is posted to. Unlike the instrumentation key, it may be shown.
func (c Connection) Endpoint() string { return c.endpoint }

// String leaves the instrumentation key out: whoever has it may write telemetry.
func (c Connection) String() string { return "Application Insights at " + c.endpoint }

// GoString is String, so that %#v leaves the instrumentation key out as well.
func (c Connection) GoString() string { return c.String() }

// ParseConnectionString reads "Name=value" pairs between semicolons, as Azure shows them:
//
//	InstrumentationKey=…;IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/
//
// InstrumentationKey is required. Without IngestionEndpoint the endpoint is made of EndpointSuffix
// and, if there is one, Location; without these it is Microsoft's global one. Names are taken in any
// case, and the pairs that other clients need (LiveEndpoint, ApplicationId, …) are passed over. An
// endpoint may be plain http, for a local collector.
//
// All that is wrong is told at once. The errors do not repeat the instrumentation key, nor a part
// of the string that may be one.
func ParseConnectionString(s string) (Connection, error) {
	if strings.TrimSpace(s) == "" {
		return Connection{}, errors.New(`connection string: it is empty; want "InstrumentationKey=…;IngestionEndpoint=https://…", as the Azure portal shows it`)
	}
	pairs, errs := pairs(s)
	c := Connection{key: strings.ToLower(pairs["instrumentationkey"])}
	switch {
	case c.key == "":
		errs = append(errs, errors.New("the InstrumentationKey is missing"))
	case !guid.MatchString(c.key):
		errs = append(errs, fmt.Errorf("the InstrumentationKey has %d characters that are no GUID; want one such as 00000000-0000-0000-0000-000000000000", len(c.key)))
	}
	if how := pairs["authorization"]; how != "" && !strings.EqualFold(how, "ikey") {
		errs = append(errs, fmt.Errorf("the Authorization is %q: only ikey is supported", how))
	}
	var err error
	if c.endpoint, err = endpoint(pairs); err != nil {
		errs = append(errs, err)
	}
	if len(errs) > 0 {
		return Connection{}, fmt.Errorf("connection string: %w", errors.Join(errs...))
	}
	return c, nil
}

// pairs returns the values by their names in lower case.
func pairs(s string) (map[string]string, []error) {
	found := map[string]string{}
	var errs []error
	for i, part := range strings.Split(s, ";") {
		if strings.TrimSpace(part) == "" {
			continue // a final semicolon is usual
		}
		name, value, ok := strings.Cut(part, "=")
		name = strings.TrimSpace(name)
		_, twice := found[strings.ToLower(name)]
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf(`part %d has no "=": want Name=value`, i+1))
		case name == "":
			errs = append(errs, fmt.Errorf(`part %d has no name before "=": want Name=value`, i+1))
		case twice:
			errs = append(errs, fmt.Errorf("part %d names %s a second time", i+1, strings.ToLower(name)))
		default:
			found[strings.ToLower(name)] = strings.TrimSpace(value)
		}
	}
	return found, errs
}

func endpoint(pairs map[string]string) (string, error) {
	base, suffix, location := pairs["ingestionendpoint"], pairs["endpointsuffix"], pairs["location"]
	switch {
	case base == "" && suffix == "":
		return defaultEndpoint, nil
	case base == "" && !domain.MatchString(suffix):
		return "", fmt.Errorf("the EndpointSuffix %q is no domain; want one such as ai.contoso.com", suffix)
	case base == "" && location == "":
		return "https://dc." + suffix, nil
	case base == "" && !domain.MatchString(location):
		return "", fmt.Errorf("the Location %q is no part of a domain; want one such as westus2", location)
	case base == "":
		return "https://" + location + ".dc." + suffix, nil
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("the IngestionEndpoint %q is no base URL; want one such as %s", base, defaultEndpoint)
	}
	return strings.TrimRight(u.String(), "/"), nil
}
