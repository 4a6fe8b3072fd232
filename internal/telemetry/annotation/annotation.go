// Package annotation marks releases in Application Insights, so that its charts show when a version came and went.
package annotation

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/applicationinsights/armapplicationinsights"
	"github.com/google/uuid"
)

// Writer writes annotations of one component.
type Writer struct {
	client      *armapplicationinsights.AnnotationsClient
	group, name string
}

// New makes a writer for a component's resource id. It asks nothing yet.
func New(cred azcore.TokenCredential, component string, client azcore.ClientOptions) (*Writer, error) {
	id, err := arm.ParseResourceID(component)
	if err != nil || !strings.EqualFold(id.ResourceType.String(), "microsoft.insights/components") {
		return nil, fmt.Errorf("%q is not the resource id of an Application Insights component", component)
	}
	c, err := armapplicationinsights.NewAnnotationsClient(id.SubscriptionID, cred, &arm.ClientOptions{ClientOptions: client})
	if err != nil {
		return nil, fmt.Errorf("making a client for annotations: %w", err)
	}
	return &Writer{client: c, group: id.ResourceGroupName, name: id.Name}, nil
}

// Annotation is a mark at a time.
type Annotation struct {
	Name string
	At   time.Time
	// Properties are shown with it.
	Properties map[string]string
}

// Write sets a mark.
func (w *Writer) Write(ctx context.Context, a Annotation) error {
	// The service takes the properties as a JSON text, and only this category (github.com/microsoft/ApplicationInsights-Home).
	raw, err := json.Marshal(a.Properties)
	if err != nil {
		return fmt.Errorf("writing the annotation's properties: %w", err)
	}
	properties, category, id, at := string(raw), "Deployment", uuid.NewString(), a.At.UTC()
	_, err = w.client.Create(ctx, w.group, w.name, armapplicationinsights.Annotation{
		AnnotationName: &a.Name, Category: &category, EventTime: &at, ID: &id, Properties: &properties,
	}, nil)
	if err != nil {
		return fmt.Errorf("annotating component %s: %w", w.name, err)
	}
	return nil
}
