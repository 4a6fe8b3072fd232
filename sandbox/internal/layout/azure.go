package layout

// The addresses of the stand-ins for Azure. Pods reach them too; all but
// AzureIngest serve TLS, and AzureControl is for this machine alone.
const (
	AzureIngestTLS = NodeIP + ":5090"
	AzureIngest    = NodeIP + ":5091"
	AzureQuery     = NodeIP + ":5092"
	AzureEntra     = NodeIP + ":5093"
	AzureVault     = NodeIP + ":5094"
	AzureARM       = NodeIP + ":5095"
	AzureRegistry  = NodeIP + ":5096" // the registry behind ACR's token exchange
	AzureControl   = "127.0.0.1:5099"
)

// The ids of what there is in the sandbox's Azure. They never change, so that
// configuration can name them.
const (
	AzureTenant             = "00000000-0000-4000-8000-000000000010"
	AzureGroup              = "sandbox" // resource group of all
	AzureCluster            = "sandbox" // the AKS cluster that this cluster stands for
	AzureSubscription       = "00000000-0000-4000-8000-000000000020"
	AzureWorkspace          = "00000000-0000-4000-8000-000000000030"
	AzureInstrumentationKey = "00000000-0000-4000-8000-000000000040"
	AzureClientID           = "00000000-0000-4000-8000-000000000050"
	AzureObjectID           = "00000000-0000-4000-8000-000000000051"
	AzureComponent          = "/subscriptions/" + AzureSubscription + "/resourceGroups/sandbox/providers/Microsoft.Insights/components/sandbox"
)
