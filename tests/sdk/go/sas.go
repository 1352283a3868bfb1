// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

var readBlob = sas.BlobPermissions{Read: true}

func signatures(s *scenario) {
	one := s.container("sas")
	must(one.Create(s.ctx, nil))
	target := one.NewBlockBlobClient("target é.txt")
	must(target.Upload(s.ctx, stream(pattern(400, 1)), nil))
	hour := time.Now().Add(time.Hour)

	onBlob := s.keylessBlob(must(target.GetSASURL(readBlob, hour, nil)))
	s.results["blob"] = s.download(onBlob, nil)
	_, err := onBlob.Delete(s.ctx, nil)
	s.results["wrong_permission"] = fault(err)
	_, err = onBlob.SetMetadata(s.ctx, map[string]*string{"a": to.Ptr("b")}, nil)
	s.results["wrong_permission_of_write"] = fault(err)

	begun := &blob.GetSASURLOptions{StartTime: to.Ptr(time.Now().Add(-2 * time.Hour))}
	expired := must(target.GetSASURL(readBlob, time.Now().Add(-time.Hour), begun))
	_, err = s.keylessBlob(expired).GetProperties(s.ctx, nil)
	s.results["expired"] = fault(err)
	_, err = s.keylessBlob(expired).DownloadStream(s.ctx, nil)
	s.results["expired_download"] = fault(err)

	onContainer := must(one.GetSASURL(sas.ContainerPermissions{List: true, Write: true, Create: true}, hour, nil))
	s.results["container"] = s.namesIn(s.keylessContainer(onContainer))
	written := s.keylessContainer(onContainer).NewBlockBlobClient("written")
	s.results["container_write"] = facts(must(written.Upload(s.ctx, stream(pattern(2*mib, 2)), nil)))
	large := s.keylessContainer(onContainer).NewBlockBlobClient("large")
	s.results["container_write_large"] = facts(must(large.UploadBuffer(s.ctx, pattern(20*mib, 3), nil)))
	s.results["large"] = s.download(one.NewBlobClient("large"), nil)
	_, err = written.DownloadStream(s.ctx, nil)
	s.results["container_read"] = fault(err)

	s.accountSignature(hour)
	s.storedPolicy(one, target.BlobClient(), hour)
}

func (s *scenario) namesIn(one *container.Client) []string {
	names := []string{}
	for _, page := range pages(s.ctx, one.NewListBlobsFlatPager(nil)) {
		for _, item := range page.Segment.BlobItems {
			names = append(names, *item.Name)
		}
	}
	return names
}

func (s *scenario) accountSignature(expiry time.Time) {
	types := sas.AccountResourceTypes{Service: true, Container: true, Object: true}
	url := must(s.service().GetSASURL(types, sas.AccountPermissions{Read: true, List: true, Write: true}, expiry, nil))
	signed := s.keylessService(url)
	s.results["account"] = s.namesIn(signed.NewContainerClient(s.prefix + "sas"))
	s.results["account_properties"] = facts(must(signed.NewContainerClient(s.prefix+"sas").GetProperties(s.ctx, nil)))
	s.results["account_download"] = s.download(signed.NewContainerClient(s.prefix+"sas").NewBlobClient("target é.txt"), nil)
	_, err := signed.NewContainerClient(s.prefix+"sas").Delete(s.ctx, nil)
	s.results["account_delete"] = fault(err)
}

// storedPolicy has the container say what a signature permits that only names a policy.
func (s *scenario) storedPolicy(one *container.Client, target *blob.Client, expiry time.Time) {
	permissions := container.AccessPolicyPermission{Read: true, List: true}
	must(one.SetAccessPolicy(s.ctx, &container.SetAccessPolicyOptions{ContainerACL: []*container.SignedIdentifier{{
		ID: to.Ptr("readers"),
		AccessPolicy: &container.AccessPolicy{
			Start: to.Ptr(time.Now().Add(-time.Hour)), Expiry: &expiry, Permission: to.Ptr(permissions.String()),
		},
	}}}))
	s.results["policies"] = facts(must(one.GetAccessPolicy(s.ctx, nil)))
	values := sas.BlobSignatureValues{ContainerName: s.prefix + "sas", Identifier: "readers"}
	query := must(values.SignWithSharedKey(s.credential()))
	signed := s.keylessContainer(one.URL() + "?" + query.Encode())
	s.results["policy"] = s.namesIn(signed)
	s.results["policy_download"] = s.download(signed.NewBlobClient("target é.txt"), nil)
	_, err := signed.NewBlobClient("target é.txt").Delete(s.ctx, nil)
	s.results["policy_delete"] = fault(err)
	must(one.SetAccessPolicy(s.ctx, nil))
	_, err = signed.NewBlobClient("target é.txt").GetProperties(s.ctx, nil)
	s.results["policy_removed"] = fault(err)
}

// givenToken is a credential that always has the same token.
type givenToken string

func (t givenToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(24 * time.Hour)}, nil
}

// trusting is an HTTP client that trusts the authority of SDK_CA_FILE alone.
func (s *scenario) trusting() *http.Client {
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(must(os.ReadFile(s.caFile))) {
		check(fmt.Errorf("%s holds no certificate", s.caFile))
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities}}}
}

// delegation is what needs a token, and so TLS.
func (s *scenario) delegation() {
	if s.tls == "" || s.caFile == "" || s.token == "" {
		return
	}
	base := s.clientOptions()
	base.Transport = s.trusting()
	account := must(service.NewClient(s.tls, givenToken(s.token), &service.ClientOptions{ClientOptions: base}))
	info := service.KeyInfo{Start: to.Ptr(time.Now().Add(-time.Hour).UTC().Format(sas.TimeFormat)), Expiry: to.Ptr(time.Now().Add(time.Hour).UTC().Format(sas.TimeFormat))}
	key, err := account.GetUserDelegationCredential(s.ctx, info, nil)
	s.results["delegation_key"] = fault(err)
	check(err)

	one := account.NewContainerClient(s.prefix + "token")
	must(one.Create(s.ctx, nil))
	target := one.NewBlockBlobClient("delegated")
	s.results["token_upload"] = facts(must(target.Upload(s.ctx, stream(pattern(mib, 1)), nil)))
	large := &blockblob.UploadBufferOptions{}
	s.results["token_upload_large"] = facts(must(one.NewBlockBlobClient("large").UploadBuffer(s.ctx, pattern(20*mib, 2), large)))
	s.results["token_download_large"] = s.download(one.NewBlobClient("large"), nil)
	values := sas.BlobSignatureValues{
		ContainerName: s.prefix + "token", BlobName: "delegated", Permissions: readBlob.String(),
		StartTime: time.Now().Add(-time.Hour).UTC(), ExpiryTime: time.Now().Add(time.Hour).UTC(),
	}
	query := must(values.SignWithUserDelegation(key))
	signed := must(blob.NewClientWithNoCredential(target.URL()+"?"+query.Encode(), &blob.ClientOptions{ClientOptions: base}))
	_, err = signed.GetProperties(s.ctx, nil)
	s.results["delegated"] = fault(err) // an emulator may not know how this version signs
}
