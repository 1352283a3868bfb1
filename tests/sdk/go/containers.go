// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"
)

// pages reads a listing to its end.
func pages[T any](ctx context.Context, pager *runtime.Pager[T]) []T {
	var all []T
	for pager.More() {
		all = append(all, must(pager.NextPage(ctx)))
	}
	return all
}

// readAll is a body that the SDK resumes where its connection breaks.
func readAll(body io.ReadCloser) []byte {
	content := must(io.ReadAll(body))
	check(body.Close())
	return content
}

func containers(s *scenario) {
	one := s.container("containers")
	metadata := map[string]*string{"colour": to.Ptr("green"), "number": to.Ptr("7")}
	s.results["create"] = facts(must(one.Create(s.ctx, &container.CreateOptions{Metadata: metadata})))
	_, err := one.Create(s.ctx, nil)
	s.results["create_again"] = fault(err)

	changed := map[string]*string{"colour": to.Ptr("blue"), "empty": to.Ptr("")}
	must(one.SetMetadata(s.ctx, &container.SetMetadataOptions{Metadata: changed}))
	s.results["properties"] = facts(must(one.GetProperties(s.ctx, nil)))
	s.results["list"] = facts(s.containersWithMetadata(s.prefix + "containers"))

	s.publicContainer(one)

	must(one.Delete(s.ctx, nil))
	_, err = one.GetProperties(s.ctx, nil)
	s.results["deleted"] = fault(err)
	_, err = one.NewListBlobsFlatPager(nil).NextPage(s.ctx)
	s.results["deleted_list"] = fault(err)
}

func (s *scenario) containersWithMetadata(prefix string) []*service.ContainerItem {
	var items []*service.ContainerItem
	options := &service.ListContainersOptions{Prefix: &prefix, Include: service.ListContainersInclude{Metadata: true}}
	for _, page := range pages(s.ctx, s.service().NewListContainersPager(options)) {
		items = append(items, page.ContainerItems...)
	}
	return items
}

// publicContainer opens the container to readers without a name, who may read a blob, but not list.
func (s *scenario) publicContainer(one *container.Client) {
	access := &container.SetAccessPolicyOptions{Access: to.Ptr(container.PublicAccessTypeBlob)}
	s.results["set_acl"] = facts(must(one.SetAccessPolicy(s.ctx, access)))
	s.results["get_acl"] = facts(must(one.GetAccessPolicy(s.ctx, nil)))

	open := one.NewBlockBlobClient("open.txt")
	must(open.Upload(s.ctx, stream(pattern(100, 1)), nil))
	answer := must(s.keylessBlob(open.URL()).DownloadStream(s.ctx, nil))
	s.results["anonymous"] = map[string]any{"facts": facts(answer), "sha256": digest(readAll(answer.Body))}
	_, err := s.keylessContainer(one.URL()).NewListBlobsFlatPager(nil).NextPage(s.ctx)
	s.results["anonymous_list"] = fault(err)
}

func listings(s *scenario) {
	one := s.container("listings")
	must(one.Create(s.ctx, nil))
	for i := range 25 {
		options := &blockblob.UploadOptions{
			Metadata: map[string]*string{"number": to.Ptr(fmt.Sprint(i))},
			Tags:     map[string]string{"half": fmt.Sprint(i % 2)},
		}
		name := fmt.Sprintf("folder%d/blob-%02d", i%3, i)
		must(one.NewBlockBlobClient(name).Upload(s.ctx, stream(pattern(i, i)), options))
	}
	s.flatListings(one)

	var prefixes []any
	for _, page := range pages(s.ctx, one.NewListBlobsHierarchyPager("/", nil)) {
		prefixes = append(prefixes, facts(page.Segment))
	}
	s.results["hierarchy"] = prefixes
	below := &container.ListBlobsHierarchyOptions{Prefix: to.Ptr("folder1/"), MaxResults: to.Ptr[int32](3)}
	var inner []any
	for _, page := range pages(s.ctx, one.NewListBlobsHierarchyPager("/", below)) {
		inner = append(inner, facts(page.Segment))
	}
	s.results["hierarchy_below"] = inner
}

func (s *scenario) flatListings(one *container.Client) {
	var sizes []int
	var names []string
	for _, page := range pages(s.ctx, one.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{MaxResults: to.Ptr[int32](7)})) {
		sizes = append(sizes, len(page.Segment.BlobItems))
		for _, item := range page.Segment.BlobItems {
			names = append(names, *item.Name)
		}
	}
	s.results["flat"] = map[string]any{"sizes": sizes, "names": names, "sorted": slices.IsSorted(names)}

	options := &container.ListBlobsFlatOptions{
		Prefix: to.Ptr("folder2/"), Include: container.ListBlobsInclude{Metadata: true, Tags: true},
	}
	var items []any
	for _, page := range pages(s.ctx, one.NewListBlobsFlatPager(options)) {
		items = append(items, facts(page.Segment.BlobItems))
	}
	s.results["with_metadata_and_tags"] = items
}
