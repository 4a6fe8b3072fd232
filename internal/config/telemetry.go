package config

// Telemetry says where gates on telemetry read.
type Telemetry struct {
	ApplicationInsights *ApplicationInsights `yaml:"applicationInsights,omitempty" json:"applicationInsights,omitempty"`
	// Prometheus is a second source: less complete, but there at once.
	Prometheus *Prometheus `yaml:"prometheus,omitempty" json:"prometheus,omitempty"`
}

// Prometheus is read from a server, or straight from whoever exposes metrics; exactly one of URL and Metrics is set.
type Prometheus struct {
	// URL of a Prometheus server, or of what speaks its HTTP API. Its scrape interval is how old its counters are.
	URL string `yaml:"url,omitempty" json:"url,omitempty"`
	// Metrics are URLs that expose metrics in Prometheus' text format, such as those of every replica of the gateway.
	Metrics []string `yaml:"metrics,omitempty" json:"metrics,omitempty"`
	// Interval is the time between two looks; default 5s for a server, 1s for metrics.
	Interval Duration `yaml:"interval,omitempty" json:"interval,omitempty"`
}

// Counters are two queries in PromQL for counters that only grow. In them $namespace, $slot, $release (of Helm) and $service
// (which takes the slot's traffic) stand for those of the candidate or of production. What is read straight from metrics must be
// a plain selector: name{label="value", other=~"regular expression"}.
type Counters struct {
	// Trials counts what may fail, Events what has failed.
	Trials string `yaml:"trials" json:"trials"`
	Events string `yaml:"events" json:"events"`
	// WorseBy, Margin and Max are as in a [Rate].
	WorseBy Tolerance `yaml:"worseBy,omitempty" json:"worseBy,omitempty"`
	Margin  Tolerance `yaml:"margin,omitempty" json:"margin,omitempty"`
	Max     Percent   `yaml:"max,omitempty" json:"max,omitempty"`
}

// Rate is what the counters are compared by.
func (c Counters) Rate() Rate { return Rate{WorseBy: c.WorseBy, Margin: c.Margin, Max: c.Max} }

// Judge says how sure gates on telemetry must be, all together.
type Judge struct {
	// Alpha is the chance of taking back a version that is as good as its gates want, over all gates and all looks of a
	// release; more than 0% and less than 50%, default 1%.
	Alpha Percent `yaml:"alpha,omitempty" json:"alpha,omitempty"`
	// Beta is the chance of passing a version that is worse than a gate's tolerance; more than 0% and less than 50%, default 5%.
	Beta Percent `yaml:"beta,omitempty" json:"beta,omitempty"`
	// MinBake is how long the candidate must have had traffic before anything passes; default 0: no longer than the evidence takes.
	MinBake Duration `yaml:"minBake,omitempty" json:"minBake,omitempty"`
	// MinRequests is how many requests (or other trials) of the candidate each gate must have seen before it passes; default 0.
	MinRequests int `yaml:"minRequests,omitempty" json:"minRequests,omitempty"`
	// OnDeadline is what happens when a step's deadline ends without evidence: "rollback" (default), "hold" (the weight stays
	// and a person must decide) or "promote" (as if it had passed).
	OnDeadline string `yaml:"onDeadline,omitempty" json:"onDeadline,omitempty"`
}

// What a deadline without evidence leads to.
const (
	OnDeadlineRollback = "rollback"
	OnDeadlineHold     = "hold"
	OnDeadlinePromote  = "promote"
)

// ApplicationInsights is read through the Log Analytics workspace that it writes to.
type ApplicationInsights struct {
	// Workspace is the id (a GUID) of the Log Analytics workspace.
	Workspace string `yaml:"workspace" json:"workspace"`
	// Component is the Azure resource id of the Application Insights component, which gets release annotations; default:
	// none are written.
	Component string `yaml:"component,omitempty" json:"component,omitempty"`
	// Roles are the cloud role names whose telemetry counts: the roles that answer users. Default: all.
	Roles []string `yaml:"roles,omitempty" json:"roles,omitempty"`
	// Slot is the KQL expression that gives the slot, blue or green, of a row; default tostring(Properties.slot).
	Slot string `yaml:"slot,omitempty" json:"slot,omitempty"`
	// Exclude are URL paths that do not count; default /ping, /healthz, /livez and /readyz. Rows with a SyntheticSource never count.
	Exclude []string `yaml:"exclude,omitempty" json:"exclude,omitempty"`
	// Batch is the length of the intervals in which telemetry is counted; default 10s.
	Batch Duration `yaml:"batch,omitempty" json:"batch,omitempty"`
	// Interval is the time between two looks; default 5s.
	Interval Duration `yaml:"interval,omitempty" json:"interval,omitempty"`
}

// Azure says how Azure is reached. The zero value is the public cloud with whatever identity is at hand.
type Azure struct {
	// Cloud is "public" (default), "usGovernment" or "china".
	Cloud string `yaml:"cloud,omitempty" json:"cloud,omitempty"`
	// Tenant is the id of the Entra tenant, ClientID that of the identity; default: AZURE_TENANT_ID and AZURE_CLIENT_ID.
	Tenant   string `yaml:"tenant,omitempty" json:"tenant,omitempty"`
	ClientID string `yaml:"clientID,omitempty" json:"clientID,omitempty"`
	// TokenFile holds the federated token of a workload identity; default: AZURE_FEDERATED_TOKEN_FILE.
	TokenFile string `yaml:"tokenFile,omitempty" json:"tokenFile,omitempty"`
	// Endpoints replace single services of the cloud.
	Endpoints AzureEndpoints `yaml:"endpoints,omitempty" json:"endpoints,omitempty"`
	// CAFile holds the certificates (PEM) of a private authority for these endpoints; default: the system's.
	CAFile string `yaml:"caFile,omitempty" json:"caFile,omitempty"`
	// Registries are hosts (with their port) of registries that take Entra tokens, besides those of the cloud's own domain.
	Registries []string `yaml:"registries,omitempty" json:"registries,omitempty"`
}

func (a Azure) isZero() bool {
	return a.Cloud == "" && a.Tenant == "" && a.ClientID == "" && a.TokenFile == "" && a.Endpoints == (AzureEndpoints{}) && a.CAFile == "" && a.Registries == nil
}

// AzureEndpoints are https URLs of services; an empty one is the cloud's own.
type AzureEndpoints struct {
	Authority  string `yaml:"authority,omitempty" json:"authority,omitempty"`   // Entra
	Logs       string `yaml:"logs,omitempty" json:"logs,omitempty"`             // Log Analytics queries
	Management string `yaml:"management,omitempty" json:"management,omitempty"` // Azure Resource Manager
}

// Requests compares the requests of the candidate with production's; exactly one of FailureRate and Quantile is set.
type Requests struct {
	// FailureRate asks how many requests fail.
	FailureRate *Rate `yaml:"failureRate,omitempty" json:"failureRate,omitempty"`
	// Quantile asks how long requests take, for example 0.95; WorseBy and Within belong to it.
	Quantile float64 `yaml:"quantile,omitempty" json:"quantile,omitempty"`
	// WorseBy is how much slower the candidate's quantile may be than production's, for example 20%.
	WorseBy Tolerance `yaml:"worseBy,omitempty" json:"worseBy,omitempty"`
	// Within is the objective where there is no production to compare with: the quantile must not be longer.
	Within Duration `yaml:"within,omitempty" json:"within,omitempty"`
}

// Rate is a share of trials.
type Rate struct {
	// WorseBy is how much higher the candidate's rate may be than production's: "0.5%" for percentage points, "1.25x" for a
	// factor, or both: "1.25x + 0.1%".
	WorseBy Tolerance `yaml:"worseBy,omitempty" json:"worseBy,omitempty"`
	// Margin is the non-inferiority margin: the candidate passes once its rate is surely not higher than production's by this.
	// It cannot be less than WorseBy; default WorseBy, or 0.5% where there is none.
	Margin Tolerance `yaml:"margin,omitempty" json:"margin,omitempty"`
	// Max is the objective where there is no production to compare with, in percent of all; default 5%.
	Max Percent `yaml:"max,omitempty" json:"max,omitempty"`
}

// KQL is a question of your own. Its query sees `from` and `to` (datetimes: the time to look at) and `batch` (a timespan), and
// gives a column slot, a datetime column `bin` and the integers trials and events; or, with Max, slot and value.
type KQL struct {
	Query string `yaml:"query" json:"query"`
	// WorseBy and Margin compare events per trial as those of [Rate] do.
	WorseBy Tolerance `yaml:"worseBy,omitempty" json:"worseBy,omitempty"`
	Margin  Tolerance `yaml:"margin,omitempty" json:"margin,omitempty"`
	// Max bounds the candidate's value instead.
	Max *float64 `yaml:"max,omitempty" json:"max,omitempty"`
	// Looks is how many looks in a row must break Max before that is a failure; default 3.
	Looks int `yaml:"looks,omitempty" json:"looks,omitempty"`
}
