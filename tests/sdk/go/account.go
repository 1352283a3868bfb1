// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// account is what the environment says of the account, and makes clients whose answers are recorded.
type account struct {
	endpoint, flaky, tls, caFile, token string
	name, key, prefix                   string
	recorder                            recorder
}

func accountFromEnvironment() (*account, error) {
	a := &account{
		endpoint: os.Getenv("SDK_ENDPOINT"), flaky: os.Getenv("SDK_FLAKY_ENDPOINT"),
		tls: os.Getenv("SDK_TLS_ENDPOINT"), caFile: os.Getenv("SDK_CA_FILE"), token: os.Getenv("SDK_TOKEN"),
		name: os.Getenv("SDK_ACCOUNT"), key: os.Getenv("SDK_KEY"), prefix: os.Getenv("SDK_PREFIX"),
	}
	if a.endpoint == "" || a.name == "" || a.key == "" {
		return nil, fmt.Errorf("SDK_ENDPOINT, SDK_ACCOUNT and SDK_KEY must be set")
	}
	return a, nil
}

func (a *account) clientOptions() azcore.ClientOptions {
	return azcore.ClientOptions{
		PerRetryPolicies: []policy.Policy{&a.recorder},
		Retry:            policy.RetryOptions{RetryDelay: 10 * time.Millisecond, MaxRetryDelay: 2 * time.Second},
	}
}

func (a *account) credential() *service.SharedKeyCredential {
	return must(service.NewSharedKeyCredential(a.name, a.key))
}

func (a *account) serviceAt(endpoint string) *service.Client {
	options := &service.ClientOptions{ClientOptions: a.clientOptions()}
	return must(service.NewClientWithSharedKeyCredential(endpoint, a.credential(), options))
}

func (a *account) service() *service.Client {
	return a.serviceAt(a.endpoint)
}

// container is a client of the container with this name behind the run's prefix.
func (a *account) container(name string) *container.Client {
	return a.service().NewContainerClient(a.prefix + name)
}

// Clients that have no credential but what their URL carries.
func (a *account) keylessService(url string) *service.Client {
	return must(service.NewClientWithNoCredential(url, &service.ClientOptions{ClientOptions: a.clientOptions()}))
}

func (a *account) keylessContainer(url string) *container.Client {
	return must(container.NewClientWithNoCredential(url, &container.ClientOptions{ClientOptions: a.clientOptions()}))
}

func (a *account) keylessBlob(url string) *blob.Client {
	return must(blob.NewClientWithNoCredential(url, &blob.ClientOptions{ClientOptions: a.clientOptions()}))
}
