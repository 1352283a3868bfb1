// SPDX-License-Identifier: MIT

package main

import (
	"encoding/base64"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/appendblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/pageblob"
)

// download is the whole blob: what the SDK says of it, and the hash of its bytes.
func (s *scenario) download(from *blob.Client, options *blob.DownloadStreamOptions) map[string]any {
	answer := must(from.DownloadStream(s.ctx, options))
	content := readAll(answer.NewRetryReader(s.ctx, nil))
	return map[string]any{"facts": facts(answer), "length": len(content), "sha256": digest(content)}
}

func blockBlobs(s *scenario) {
	one := s.container("block-blobs")
	must(one.Create(s.ctx, nil))
	s.smallText(one.NewBlockBlobClient("small.txt"))
	s.blocks(one.NewBlockBlobClient("blocks.bin"))
	s.names(one)

	empty := one.NewBlockBlobClient("empty")
	must(empty.Upload(s.ctx, stream(nil), nil))
	s.results["empty"] = s.download(empty.BlobClient(), nil)
	s.results["delete"] = facts(must(empty.Delete(s.ctx, nil)))
	_, err := empty.Delete(s.ctx, nil)
	s.results["delete_again"] = fault(err)
	s.expectContinue()
}

func (s *scenario) smallText(text *blockblob.Client) {
	options := &blockblob.UploadOptions{
		HTTPHeaders: &blob.HTTPHeaders{
			BlobContentType: to.Ptr("text/plain; charset=utf-8"), BlobContentLanguage: to.Ptr("de"),
			BlobContentDisposition: to.Ptr("attachment; filename=\"a b.txt\""), BlobCacheControl: to.Ptr("max-age=60"),
		},
		Metadata: map[string]*string{"one": to.Ptr("1"), "two": to.Ptr("b c")},
		Tags:     map[string]string{"kind": "text", "a b": "c/d=e"},
		Tier:     to.Ptr(blob.AccessTierCool),
	}
	s.results["upload"] = facts(must(text.Upload(s.ctx, stream([]byte("grüße, small text\n")), options)))
	s.results["properties"] = facts(must(text.GetProperties(s.ctx, nil)))
	s.results["download"] = s.download(text.BlobClient(), nil)

	unless := &blockblob.UploadOptions{AccessConditions: ifNoneMatch(azcore.ETagAny)}
	_, err := text.Upload(s.ctx, stream([]byte("no")), unless)
	s.results["overwrite"] = fault(err)

	must(text.SetHTTPHeaders(s.ctx, blob.HTTPHeaders{BlobContentType: to.Ptr("text/html"), BlobContentEncoding: to.Ptr("identity")}, nil))
	must(text.SetMetadata(s.ctx, map[string]*string{"three": to.Ptr("3")}, nil))
	s.results["properties_after"] = facts(must(text.GetProperties(s.ctx, nil)))
}

func blockID(number int) string {
	return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "block-%06d", number))
}

func (s *scenario) blocks(into *blockblob.Client) {
	var ids []string
	for i := range 3 {
		ids = append(ids, blockID(i))
		s.results[fmt.Sprintf("stage_%d", i)] = facts(must(into.StageBlock(s.ctx, ids[i], stream(pattern(1000+i, i)), nil)))
	}
	s.results["list_staged"] = facts(must(into.GetBlockList(s.ctx, blockblob.BlockListTypeAll, nil)))
	commit := &blockblob.CommitBlockListOptions{Metadata: map[string]*string{"blocks": to.Ptr("3")}}
	s.results["commit"] = facts(must(into.CommitBlockList(s.ctx, ids, commit)))
	s.results["list_committed"] = facts(must(into.GetBlockList(s.ctx, blockblob.BlockListTypeAll, nil)))
	s.results["blocks"] = s.download(into.BlobClient(), nil)
}

func (s *scenario) names(one *container.Client) {
	names := []string{
		"with blanks in it", "percent % and %41", "plus+plus", "hash#tag", "question?mark=1", "ünïcødé-文字-😀", "a//b", "~()!*", "a&b=c;d", "dir/ name /x",
	}
	seen := map[string]any{}
	for i, name := range names {
		odd := one.NewBlockBlobClient(name)
		must(odd.Upload(s.ctx, stream(pattern(64, i)), nil))
		seen[name] = s.download(odd.BlobClient(), nil)["sha256"]
	}
	s.results["names"] = seen
	var listed []string
	for _, page := range pages(s.ctx, one.NewListBlobsFlatPager(nil)) {
		for _, item := range page.Segment.BlobItems {
			listed = append(listed, *item.Name)
		}
	}
	s.results["names_listed"] = listed
}

// expectContinue has the SDK send "Expect: 100-continue" with each body; by default it does so after a 503 only.
func (s *scenario) expectContinue() {
	options := &container.ClientOptions{ClientOptions: s.clientOptions()}
	options.ExpectContinueBehavior = container.ExpectContinueOptions{Mode: container.ExpectContinueModeOn}
	url := s.container("block-blobs").URL()
	one := must(container.NewClientWithSharedKeyCredential(url, s.credential(), options))
	waits := one.NewBlockBlobClient("expect-continue")
	must(waits.Upload(s.ctx, stream(pattern(mib, 9)), nil))
	s.results["expect_continue"] = s.download(waits.BlobClient(), nil)
	_, err := waits.Upload(s.ctx, stream(pattern(mib, 10)), &blockblob.UploadOptions{AccessConditions: ifNoneMatch(azcore.ETagAny)})
	s.results["expect_continue_refused"] = fault(err)
}

func appendBlobs(s *scenario) {
	one := s.container("append-blobs")
	must(one.Create(s.ctx, nil))
	log := one.NewAppendBlobClient("log")
	create := &appendblob.CreateOptions{Metadata: map[string]*string{"kind": to.Ptr("log")}}
	s.results["create"] = facts(must(log.Create(s.ctx, create)))
	for i := range 3 {
		s.results[fmt.Sprintf("append_%d", i)] = facts(must(log.AppendBlock(s.ctx, stream(pattern(500, i)), nil)))
	}
	for _, at := range []struct {
		name     string
		position int64
	}{{"wrong_position", 7}, {"right_position", 1500}} {
		options := &appendblob.AppendBlockOptions{
			AppendPositionAccessConditions: &appendblob.AppendPositionAccessConditions{AppendPosition: &at.position},
		}
		_, err := log.AppendBlock(s.ctx, stream(pattern(10, 4)), options)
		s.results[at.name] = fault(err)
	}
	_, err := log.Seal(s.ctx, nil)
	s.results["seal"] = fault(err)
	_, err = log.AppendBlock(s.ctx, stream(pattern(10, 5)), nil)
	s.results["append_sealed"] = fault(err)
	s.results["properties"] = facts(must(log.GetProperties(s.ctx, nil)))
	s.results["download"] = s.download(log.BlobClient(), nil)
}

func pageBlobs(s *scenario) {
	one := s.container("page-blobs")
	must(one.Create(s.ctx, nil))
	disk := one.NewPageBlobClient("disk")
	s.results["create"] = facts(must(disk.Create(s.ctx, 4096, &pageblob.CreateOptions{SequenceNumber: to.Ptr[int64](3)})))
	s.results["write_0"] = facts(must(disk.UploadPages(s.ctx, stream(pattern(512, 1)), blob.HTTPRange{Offset: 0, Count: 512}, nil)))
	s.results["write_1"] = facts(must(disk.UploadPages(s.ctx, stream(pattern(1024, 2)), blob.HTTPRange{Offset: 1024, Count: 1024}, nil)))
	s.results["ranges"] = s.pageRanges(disk)
	s.results["clear"] = facts(must(disk.ClearPages(s.ctx, blob.HTTPRange{Offset: 1024, Count: 512}, nil)))
	s.results["ranges_after_clear"] = s.pageRanges(disk)
	s.results["resize"] = facts(must(disk.Resize(s.ctx, 8192, nil)))
	number := &pageblob.UpdateSequenceNumberOptions{
		ActionType: to.Ptr(pageblob.SequenceNumberActionTypeMax), SequenceNumber: to.Ptr[int64](9),
	}
	s.results["sequence_number"] = facts(must(disk.UpdateSequenceNumber(s.ctx, number)))
	less := &pageblob.UploadPagesOptions{
		SequenceNumberAccessConditions: &pageblob.SequenceNumberAccessConditions{IfSequenceNumberLessThan: to.Ptr[int64](5)},
	}
	_, err := disk.UploadPages(s.ctx, stream(pattern(512, 3)), blob.HTTPRange{Offset: 0, Count: 512}, less)
	s.results["sequence_condition"] = fault(err)
	s.results["properties"] = facts(must(disk.GetProperties(s.ctx, nil)))
	s.results["range"] = s.download(disk.BlobClient(), &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: 256, Count: 2048}})
	s.results["download"] = s.download(disk.BlobClient(), nil)
}

func (s *scenario) pageRanges(disk *pageblob.Client) []any {
	var all []any
	for _, page := range pages(s.ctx, disk.NewGetPageRangesPager(nil)) {
		all = append(all, facts(page.PageList))
	}
	return all
}
