// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
)

func parallelUpload(s *scenario) {
	one := s.container("parallel-upload")
	must(one.Create(s.ctx, nil))
	body := pattern(20*mib, 5)

	// A buffer goes up in one Put Blob up to 5000 MiB, without a threshold to set; a stream goes up in blocks.
	parallel := one.NewBlockBlobClient("parallel")
	metadata := map[string]*string{"way": to.Ptr("parallel")}
	blocks := &blockblob.UploadStreamOptions{BlockSize: mib, Concurrency: 4, Metadata: metadata}
	committed := must(parallel.UploadStream(s.ctx, bytes.NewReader(body), blocks))
	committed.ContentMD5 = nil // of the list of blocks, whose names the SDK makes up
	s.results["parallel"] = facts(committed)
	single := one.NewBlockBlobClient("single")
	s.results["single"] = facts(must(single.UploadBuffer(s.ctx, body, nil)))

	for name, from := range map[string]*blockblob.Client{"parallel": parallel, "single": single} {
		s.results[name+"_download"] = s.download(from.BlobClient(), nil)
		s.results[name+"_properties"] = facts(must(from.GetProperties(s.ctx, nil)))
	}
	// The single one may have some, too: a proxy stages a body that is too large for one transfer.
	list := must(parallel.GetBlockList(s.ctx, blockblob.BlockListTypeAll, nil))
	s.results["parallel_blocks"] = len(list.CommittedBlocks)
	var items []any
	for _, page := range pages(s.ctx, one.NewListBlobsFlatPager(nil)) {
		items = append(items, facts(page.Segment.BlobItems))
	}
	s.results["list"] = items
}

func downloads(s *scenario) {
	one := s.container("downloads")
	must(one.Create(s.ctx, nil))
	large := one.NewBlockBlobClient("large")
	must(large.UploadBuffer(s.ctx, pattern(40*mib, 6), nil))
	from := large.BlobClient()
	s.results["default"] = s.download(from, nil)
	ranges := []struct {
		name  string
		bytes blob.HTTPRange
		isMD5 bool
	}{
		{"middle", blob.HTTPRange{Offset: 5*mib + 3, Count: 17 * mib}, false},
		{"open_ended", blob.HTTPRange{Offset: 30*mib + 1}, false},
		{"one_byte", blob.HTTPRange{Offset: 40*mib - 1, Count: 1}, false},
		{"past_the_end", blob.HTTPRange{Offset: 39 * mib, Count: 4 * mib}, false},
		{"md5", blob.HTTPRange{Offset: mib, Count: 4 * mib}, true},
	}
	for _, part := range ranges {
		options := &blob.DownloadStreamOptions{Range: part.bytes}
		if part.isMD5 {
			options.RangeGetContentMD5 = to.Ptr(true)
		}
		s.results[part.name] = s.download(from, options)
	}
	_, err := from.DownloadStream(s.ctx, &blob.DownloadStreamOptions{Range: blob.HTTPRange{Offset: 50 * mib, Count: 10}})
	s.results["beyond_the_end"] = fault(err)

	buffer := make([]byte, 40*mib)
	chunks := &blob.DownloadBufferOptions{BlockSize: 4 * mib, Concurrency: 4}
	count := must(from.DownloadBuffer(s.ctx, buffer, chunks))
	s.results["parallel"] = map[string]any{"length": count, "sha256": digest(buffer)}
	chunks.Range = blob.HTTPRange{Offset: 3*mib + 5, Count: 20 * mib}
	count = must(from.DownloadBuffer(s.ctx, buffer[:20*mib], chunks))
	s.results["parallel_range"] = map[string]any{"length": count, "sha256": digest(buffer[:20*mib])}
}

func retries(s *scenario) {
	one := s.container("retries")
	must(one.Create(s.ctx, nil))
	if s.flaky == "" {
		s.results["flaky"] = "no forwarder"
		return
	}
	name := s.prefix + "retries"
	flaky := s.serviceAt(s.flaky).NewContainerClient(name).NewBlockBlobClient("retry-1")
	s.results["upload"] = facts(must(flaky.Upload(s.ctx, stream(pattern(3*mib, 7)), nil)))
	s.results["attempts"] = s.recorder.attempts("PUT", name+"/retry-1")
	s.results["download"] = s.download(one.NewBlobClient("retry-1"), nil)
}

func copies(s *scenario) {
	one := s.container("copy")
	must(one.Create(s.ctx, nil))
	source := one.NewBlockBlobClient("source")
	upload := &blockblob.UploadOptions{
		Metadata: map[string]*string{"from": to.Ptr("source")}, HTTPHeaders: &blob.HTTPHeaders{BlobContentType: to.Ptr("text/plain")},
	}
	must(source.Upload(s.ctx, stream(pattern(70000, 8)), upload))
	signed := must(source.GetSASURL(readBlob, time.Now().Add(time.Hour), nil))

	started := one.NewBlobClient("started")
	start := must(started.StartCopyFromURL(s.ctx, source.URL(), nil))
	s.results["start"] = facts(start)
	properties := must(started.GetProperties(s.ctx, nil))
	for properties.CopyStatus != nil && *properties.CopyStatus == blob.CopyStatusTypePending {
		time.Sleep(100 * time.Millisecond)
		properties = must(started.GetProperties(s.ctx, nil))
	}
	s.results["properties"] = facts(properties)
	s.results["download"] = s.download(started, nil)
	_, err := started.AbortCopyFromURL(s.ctx, *start.CopyID, nil)
	s.results["abort"] = fault(err)

	synchronous := one.NewBlobClient("synchronous")
	s.results["synchronous"] = facts(must(synchronous.CopyFromURL(s.ctx, signed, &blob.CopyFromURLOptions{
		Metadata: map[string]*string{"by": to.Ptr("copy")}, BlobTags: map[string]string{"copied": "yes"},
	})))
	s.results["synchronous_properties"] = facts(must(synchronous.GetProperties(s.ctx, nil)))
	s.results["synchronous_download"] = s.download(synchronous, nil)
	_, err = one.NewBlobClient("nothing").StartCopyFromURL(s.ctx, one.NewBlobClient("absent").URL(), nil)
	s.results["absent"] = fault(err)

	// Copies whose result is a block or a whole block blob; not every emulator knows them.
	_, err = one.NewBlockBlobClient("put").UploadBlobFromURL(s.ctx, signed, nil)
	s.results["put_from_url"] = fault(err)
	_, err = one.NewBlockBlobClient("block").StageBlockFromURL(s.ctx, blockID(0), signed, nil)
	s.results["block_from_url"] = fault(err)
}
