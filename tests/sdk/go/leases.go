// SPDX-License-Identifier: MIT

package main

import (
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/lease"
)

const (
	firstLease  = "11111111-2222-3333-4444-555555555555"
	secondLease = "66666666-7777-8888-9999-aaaaaaaaaaaa"
)

func ifMatch(tag azcore.ETag) *blob.AccessConditions {
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfMatch: &tag}}
}

func ifNoneMatch(tag azcore.ETag) *blob.AccessConditions {
	return &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: &tag}}
}

func leases(s *scenario) {
	one := s.container("leases")
	must(one.Create(s.ctx, nil))
	held := one.NewBlockBlobClient("held")
	must(held.Upload(s.ctx, stream(pattern(10, 1)), nil))
	s.leaseOfBlob(held)
	s.leaseOfContainer()
}

func (s *scenario) leaseOfBlob(held *blockblob.Client) {
	first := must(lease.NewBlobClient(held, &lease.BlobClientOptions{LeaseID: to.Ptr(firstLease)}))
	s.results["acquire"] = facts(must(first.AcquireLease(s.ctx, 15, nil)))
	other := must(lease.NewBlobClient(held, &lease.BlobClientOptions{LeaseID: to.Ptr(secondLease)}))
	_, err := other.AcquireLease(s.ctx, 15, nil)
	s.results["acquire_again"] = fault(err)
	_, err = held.Upload(s.ctx, stream(pattern(10, 2)), nil)
	s.results["write_without"] = fault(err)

	with := &blockblob.UploadOptions{AccessConditions: &blob.AccessConditions{
		LeaseAccessConditions: &blob.LeaseAccessConditions{LeaseID: to.Ptr(firstLease)},
	}}
	s.results["write_with"] = facts(must(held.Upload(s.ctx, stream(pattern(10, 3)), with)))
	s.results["renew"] = facts(must(first.RenewLease(s.ctx, nil)))
	s.results["change"] = facts(must(first.ChangeLease(s.ctx, secondLease, nil)))
	s.results["properties"] = facts(must(held.GetProperties(s.ctx, nil)))
	s.results["break"] = facts(must(first.BreakLease(s.ctx, &lease.BlobBreakOptions{BreakPeriod: to.Ptr[int32](0)})))
	s.results["properties_broken"] = facts(must(held.GetProperties(s.ctx, nil)))
	s.results["release"] = facts(must(first.ReleaseLease(s.ctx, nil)))
	_, err = first.RenewLease(s.ctx, nil)
	s.results["renew_released"] = fault(err)
}

func (s *scenario) leaseOfContainer() {
	one := s.container("leased")
	must(one.Create(s.ctx, nil))
	held := must(lease.NewContainerClient(one, &lease.ContainerClientOptions{LeaseID: to.Ptr(firstLease)}))
	s.results["container_acquire"] = facts(must(held.AcquireLease(s.ctx, -1, nil)))
	_, err := one.Delete(s.ctx, nil)
	s.results["container_delete"] = fault(err)
	s.results["container_properties"] = facts(must(one.GetProperties(s.ctx, nil)))
	s.results["container_release"] = facts(must(held.ReleaseLease(s.ctx, nil)))
	must(one.Delete(s.ctx, nil))
}

func conditions(s *scenario) {
	one := s.container("conditions")
	must(one.Create(s.ctx, nil))
	target := one.NewBlockBlobClient("target")
	options := &blockblob.UploadOptions{Tags: map[string]string{"state": "ready"}}
	made := must(target.Upload(s.ctx, stream(pattern(50, 1)), options))

	before, after := made.LastModified.Add(-time.Hour), made.LastModified.Add(time.Hour)
	wrong := azcore.ETag(`"0x8D00000000000AB"`)
	cases := []struct {
		name      string
		condition blob.ModifiedAccessConditions
	}{
		{"match_right", blob.ModifiedAccessConditions{IfMatch: made.ETag}},
		{"match_wrong", blob.ModifiedAccessConditions{IfMatch: &wrong}},
		{"none_match_equal", blob.ModifiedAccessConditions{IfNoneMatch: made.ETag}},
		{"none_match_other", blob.ModifiedAccessConditions{IfNoneMatch: &wrong}},
		{"modified_since_before", blob.ModifiedAccessConditions{IfModifiedSince: &before}},
		{"modified_since_after", blob.ModifiedAccessConditions{IfModifiedSince: &after}},
		{"unmodified_since_before", blob.ModifiedAccessConditions{IfUnmodifiedSince: &before}},
		{"unmodified_since_after", blob.ModifiedAccessConditions{IfUnmodifiedSince: &after}},
		{"tags_right", blob.ModifiedAccessConditions{IfTags: to.Ptr(`"state" = 'ready'`)}},
		{"tags_wrong", blob.ModifiedAccessConditions{IfTags: to.Ptr(`"state" = 'busy'`)}},
	}
	for _, each := range cases {
		s.getOn(each.name, target, &blob.AccessConditions{ModifiedAccessConditions: &each.condition})
	}
	for _, each := range cases {
		// Each is tried on a blob that just came to be: a write that succeeds changes the tag and the date.
		fresh := one.NewBlockBlobClient("put-" + each.name)
		now := must(fresh.Upload(s.ctx, stream(pattern(50, 1)), options))
		if each.condition.IfMatch == made.ETag {
			each.condition.IfMatch = now.ETag
		}
		if each.condition.IfNoneMatch == made.ETag {
			each.condition.IfNoneMatch = now.ETag
		}
		put := &blockblob.UploadOptions{AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &each.condition}}
		_, err := fresh.Upload(s.ctx, stream(pattern(60, 2)), put)
		s.results["put_"+each.name] = fault(err)
	}
}

func (s *scenario) getOn(name string, target *blockblob.Client, condition *blob.AccessConditions) {
	answer, err := target.DownloadStream(s.ctx, &blob.DownloadStreamOptions{AccessConditions: condition})
	switch {
	case err != nil:
		s.results["get_"+name] = fault(err)
	case answer.Body == nil: // a 304 is no error to this SDK
		s.results["get_"+name] = map[string]any{"facts": facts(answer), "code": answer.ErrorCode}
	default:
		s.results["get_"+name] = digest(readAll(answer.Body))
	}
	_, err = target.GetProperties(s.ctx, &blob.GetPropertiesOptions{AccessConditions: condition})
	s.results["head_"+name] = fault(err)
}

func snapshots(s *scenario) {
	one := s.container("snapshots")
	must(one.Create(s.ctx, nil))
	base := one.NewBlockBlobClient("base")
	must(base.Upload(s.ctx, stream(pattern(300, 1)), nil))
	taken := must(base.CreateSnapshot(s.ctx, &blob.CreateSnapshotOptions{Metadata: map[string]*string{"taken": to.Ptr("once")}}))
	s.results["snapshot"] = facts(taken)
	must(base.Upload(s.ctx, stream(pattern(200, 2)), nil))

	old := must(base.BlobClient().WithSnapshot(*taken.Snapshot))
	s.results["old"] = s.download(old, nil)
	s.results["old_properties"] = facts(must(old.GetProperties(s.ctx, nil)))
	s.results["new"] = s.download(base.BlobClient(), nil)
	var items []any
	include := &container.ListBlobsFlatOptions{Include: container.ListBlobsInclude{Snapshots: true, Metadata: true}}
	for _, page := range pages(s.ctx, one.NewListBlobsFlatPager(include)) {
		items = append(items, facts(page.Segment.BlobItems))
	}
	s.results["list"] = items

	_, err := base.Delete(s.ctx, nil)
	s.results["delete_without"] = fault(err)
	_, err = base.Delete(s.ctx, &blob.DeleteOptions{DeleteSnapshots: to.Ptr(blob.DeleteSnapshotsOptionTypeInclude)})
	s.results["delete_with"] = fault(err)
	_, err = old.GetProperties(s.ctx, nil)
	s.results["old_deleted"] = fault(err)
}
