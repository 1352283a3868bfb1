// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/pageblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

func tags(s *scenario) {
	one := s.container("tags")
	must(one.Create(s.ctx, nil))
	for i := range 4 {
		each := one.NewBlockBlobClient(fmt.Sprintf("tagged-%d", i))
		must(each.Upload(s.ctx, stream(pattern(10, i)), nil))
		must(each.SetTags(s.ctx, map[string]string{"colour": []string{"red", "green"}[i%2], "a b": "c/d"}, nil))
	}
	s.results["tags"] = s.tagsOf(one.NewBlobClient("tagged-1"))
	s.results["properties"] = facts(must(one.NewBlobClient("tagged-1").GetProperties(s.ctx, nil)))
	where := fmt.Sprintf(`@container='%stags' AND "colour"='green'`, s.prefix)
	s.results["find_in_account"] = facts(must(s.service().FilterBlobs(s.ctx, where, nil)))
	s.results["find_in_container"] = s.found(one, `"colour"='red' AND "a b"='c/d'`)
	s.results["find_nothing"] = s.found(one, `"colour"='blue'`)
	must(one.NewBlobClient("tagged-1").SetTags(s.ctx, map[string]string{}, nil))
	s.results["tags_removed"] = s.tagsOf(one.NewBlobClient("tagged-1"))
	_, err := one.NewBlobClient("tagged-1").SetTags(s.ctx, map[string]string{"": "x"}, nil)
	s.results["tags_invalid"] = fault(err)
}

// tagsOf are the blob's tags by name: the SDK sets them in any order, and keeps the answer's.
func (s *scenario) tagsOf(of *blob.Client) any {
	answer := must(of.GetTags(s.ctx, nil))
	slices.SortFunc(answer.BlobTagSet, func(one, other *container.BlobTag) int { return strings.Compare(*one.Key, *other.Key) })
	return facts(answer)
}

// found are the blobs of the container with these tags, or the error where the search is not known for containers.
func (s *scenario) found(one *container.Client, where string) any {
	answer, err := one.FilterBlobs(s.ctx, where, nil)
	if err != nil {
		return fault(err)
	}
	return facts(answer)
}

func batch(s *scenario) {
	one := s.container("batch")
	must(one.Create(s.ctx, nil))
	names := []string{"a", "b c", "d%e"}
	for i, name := range names {
		must(one.NewBlockBlobClient(name).Upload(s.ctx, stream(pattern(10, i)), nil))
	}
	tiers := must(one.NewBatchBuilder())
	deletes := must(s.service().NewBatchBuilder())
	for _, name := range names {
		check(tiers.SetTier(name, blob.AccessTierCool, nil))
		check(deletes.Delete(s.prefix+"batch", name, nil))
	}
	check(tiers.SetTier("absent", blob.AccessTierCool, nil))
	check(deletes.Delete(s.prefix+"batch", "absent", nil))

	answer, err := one.SubmitBatch(s.ctx, tiers, nil)
	s.results["tiers"] = parts(answer.Responses, err)
	s.results["tier"] = facts(must(one.NewBlobClient("b c").GetProperties(s.ctx, nil)).AccessTier)
	all, err := s.service().SubmitBatch(s.ctx, deletes, nil)
	s.results["deletes"] = parts(all.Responses, err)
	left := []string{}
	for _, page := range pages(s.ctx, one.NewListBlobsFlatPager(nil)) {
		for _, item := range page.Segment.BlobItems {
			left = append(left, *item.Name)
		}
	}
	s.results["left"] = left
}

func parts(answers []*container.BatchResponseItem, err error) any {
	if err != nil {
		return fault(err)
	}
	seen := []any{}
	for _, part := range answers {
		seen = append(seen, map[string]any{
			"id": part.ContentID, "container": part.ContainerName, "blob": part.BlobName, "version": part.Version, "error": fault(part.Error),
		})
	}
	return seen
}

func faults(s *scenario) {
	one := s.container("errors")
	must(one.Create(s.ctx, nil))
	there := one.NewBlockBlobClient("there")
	must(there.Upload(s.ctx, stream(pattern(1000, 1)), nil))

	_, err := s.container("errors-absent").GetProperties(s.ctx, nil)
	s.results["no_container"] = fault(err)
	_, err = s.container("errors-absent").NewBlobClient("x").DownloadStream(s.ctx, nil)
	s.results["no_container_of_blob"] = fault(err)
	_, err = one.NewBlobClient("absent").GetProperties(s.ctx, nil)
	s.results["no_blob"] = fault(err)
	_, err = one.NewBlobClient("absent").DownloadStream(s.ctx, nil)
	s.results["no_blob_of_download"] = fault(err)
	_, err = s.service().NewContainerClient(s.prefix+"Bad--Name_").Create(s.ctx, nil)
	s.results["container_name"] = fault(err)
	_, err = s.wrongKey().NewContainerClient(s.prefix+"errors").GetProperties(s.ctx, nil)
	s.results["wrong_key"] = fault(err)
	_, err = s.wrongKey().NewContainerClient(s.prefix + "errors").NewListBlobsFlatPager(nil).NextPage(s.ctx)
	s.results["wrong_key_of_list"] = fault(err)
	_, err = there.CommitBlockList(s.ctx, []string{blockID(42)}, nil)
	s.results["block_list"] = fault(err)
	_, err = there.StageBlock(s.ctx, "not base64!", stream(pattern(10, 1)), nil)
	s.results["block_id"] = fault(err)
	_, err = one.NewAppendBlobClient("there").AppendBlock(s.ctx, stream(pattern(10, 1)), nil)
	s.results["blob_type"] = fault(err)
	s.pageFaults(one)

	wrong := &blockblob.UploadOptions{TransactionalValidation: blob.TransferValidationTypeMD5(make([]byte, 16))}
	_, err = one.NewBlockBlobClient("md5").Upload(s.ctx, stream(pattern(100, 1)), wrong)
	s.results["wrong_md5"] = fault(err)
}

func (s *scenario) pageFaults(one *container.Client) {
	disk := one.NewPageBlobClient("disk")
	must(disk.Create(s.ctx, 1024, nil))
	for name, at := range map[string]blob.HTTPRange{
		"page_not_aligned": {Offset: 100, Count: 512}, "page_beyond_the_end": {Offset: 2048, Count: 512},
	} {
		_, err := disk.UploadPages(s.ctx, stream(pattern(512, 1)), at, nil)
		s.results[name] = fault(err)
	}
	_, err := disk.Create(s.ctx, 1000, &pageblob.CreateOptions{})
	s.results["page_size"] = fault(err)
}

// wrongKey is a client of the account that signs with another key.
func (s *scenario) wrongKey() *service.Client {
	key := must(service.NewSharedKeyCredential(s.name, "c29tZSBvdGhlciBrZXk="))
	options := &service.ClientOptions{ClientOptions: s.clientOptions()}
	return must(service.NewClientWithSharedKeyCredential(s.endpoint, key, options))
}

func serviceProperties(s *scenario) {
	account := s.service()
	off := &service.RetentionPolicy{Enabled: to.Ptr(false)}
	_, err := account.SetProperties(s.ctx, &service.SetPropertiesOptions{
		Logging: &service.Logging{
			Version: to.Ptr("1.0"), Read: to.Ptr(true), Write: to.Ptr(true), Delete: to.Ptr(false), RetentionPolicy: off,
		},
		HourMetrics:           &service.Metrics{Version: to.Ptr("1.0"), Enabled: to.Ptr(false), RetentionPolicy: off},
		MinuteMetrics:         &service.Metrics{Version: to.Ptr("1.0"), Enabled: to.Ptr(false), RetentionPolicy: off},
		CORS:                  []*service.CORSRule{{AllowedOrigins: to.Ptr("https://example.org"), AllowedMethods: to.Ptr("GET,PUT"), MaxAgeInSeconds: to.Ptr[int32](60)}},
		DeleteRetentionPolicy: off,
	})
	s.results["set_properties"] = fault(err)
	s.results["properties"] = facts(must(account.GetProperties(s.ctx, nil)))
	s.results["account_info"] = facts(must(account.GetAccountInfo(s.ctx, nil)))
	_, err = account.GetStatistics(s.ctx, nil)
	s.results["statistics"] = fault(err)

	for i := range 5 {
		must(s.container(fmt.Sprintf("service-%d", i)).Create(s.ctx, nil))
	}
	options := &service.ListContainersOptions{Prefix: to.Ptr(s.prefix + "service-"), MaxResults: to.Ptr[int32](2)}
	var listed []any
	for _, page := range pages(s.ctx, account.NewListContainersPager(options)) {
		listed = append(listed, facts(page.ContainerItems))
	}
	s.results["containers"] = listed
	s.delegation()
}
