package appinsights

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

const (
	testKey = "00000000-0000-4000-8000-000000000001"
	ikey    = "InstrumentationKey=" + testKey
)

func TestAConnectionStringNamesTheEndpoint(t *testing.T) {
	for s, want := range map[string]string{
		ikey: "https://dc.services.visualstudio.com",
		ikey + ";IngestionEndpoint=https://westeurope-5.in.applicationinsights.azure.com/;LiveEndpoint=https://westeurope.livediagnostics.monitor.azure.com/;ApplicationId=x": "https://westeurope-5.in.applicationinsights.azure.com",
		"instrumentationKEY = " + strings.ToUpper(testKey) + " ; INGESTIONENDPOINT = http://10.123.0.1:5091 ;":                                                                "http://10.123.0.1:5091",
		ikey + ";EndpointSuffix=ai.contoso.com":                                      "https://dc.ai.contoso.com",
		ikey + ";EndpointSuffix=ai.contoso.com;Location=westus2":                     "https://westus2.dc.ai.contoso.com",
		ikey + ";EndpointSuffix=ai.contoso.com;IngestionEndpoint=https://custom.com": "https://custom.com",
		ikey + ";Authorization=ikey":                                                 "https://dc.services.visualstudio.com",
	} {
		c, err := ParseConnectionString(s)
		if err != nil || c.Endpoint() != want || c.key != testKey {
			t.Errorf("%s: %s, key %q, %v; want %s", s, c.Endpoint(), c.key, err, want)
		}
	}
}

func TestEachWayToBeWrongHasItsError(t *testing.T) {
	for s, want := range map[string]string{
		"":                                      "it is empty",
		" \n":                                   "it is empty",
		"IngestionEndpoint=https://x.com":       "InstrumentationKey is missing",
		"InstrumentationKey=":                   "InstrumentationKey is missing",
		"InstrumentationKey=hunter2":            "no GUID",
		testKey:                                 `part 1 has no "="`,
		ikey + ";IngestionEndpoint":             `part 2 has no "="`,
		ikey + ";=https://x.com":                "part 2 has no name",
		ikey + ";" + ikey:                       "instrumentationkey a second time",
		ikey + ";IngestionEndpoint=x.com":       "no base URL",
		ikey + ";IngestionEndpoint=ftp://x.com": "no base URL",
		ikey + ";IngestionEndpoint=https://":    "no base URL",
		ikey + ";IngestionEndpoint=https://x.com?key=1": "no base URL",
		ikey + ";EndpointSuffix=/":                      "EndpointSuffix",
		ikey + ";EndpointSuffix=x.com;Location=a/b":     "Location",
		ikey + ";Authorization=aad":                     "only ikey is supported",
	} {
		if _, err := ParseConnectionString(s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want an error with %q", s, err, want)
		}
	}
	_, err := ParseConnectionString("InstrumentationKey=hunter2;IngestionEndpoint=x;oops")
	for _, want := range []string{"GUID", "no base URL", "part 3"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("three mistakes: got %v, want also %q", err, want)
		}
	}
}

func TestTheInstrumentationKeyIsNeverShown(t *testing.T) {
	c, err := ParseConnectionString(ikey)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{fmt.Sprint(c), fmt.Sprintf("%+v %#v %q", c, c, c)} {
		if strings.Contains(s, testKey) {
			t.Errorf("printed as %s", s)
		}
	}
	for _, s := range []string{"InstrumentationKey=hunter2", "hunter2", ikey + "; hunter2 "} {
		if _, err := ParseConnectionString(s); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v, want an error that does not repeat it", s, err)
		}
	}
}

func FuzzParseConnectionString(f *testing.F) {
	for _, s := range []string{"", ikey, ikey + ";IngestionEndpoint=https://x.com/", ikey + ";EndpointSuffix=x;Location=y", "a=b;;=;c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseConnectionString(s)
		if err != nil {
			if c != (Connection{}) {
				t.Errorf("%q: an error and a connection", s)
			}
			return
		}
		u, err := url.Parse(c.Endpoint() + "/v2.1/track")
		if err != nil || u.Host == "" || !strings.HasSuffix(u.Path, "/v2.1/track") || u.RawQuery != "" || !guid.MatchString(c.key) {
			t.Errorf("%q is taken for %s", s, c.Endpoint())
		}
		again, err := ParseConnectionString("InstrumentationKey=" + c.key + ";IngestionEndpoint=" + c.Endpoint())
		if err != nil || again != c {
			t.Errorf("%q: its parts are taken for %v, %v", s, again, err)
		}
	})
}
