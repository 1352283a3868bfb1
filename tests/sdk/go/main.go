// SPDX-License-Identifier: MIT

// The scenarios of the SDK matrix with the Azure SDK for Go: runs those named, or all, against the account that the
// environment describes, and prints for each one line of JSON with the answers and results that the SDK saw.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
)

// scenario is a run of one scenario: the account it works with and what an application sees.
type scenario struct {
	*account
	ctx     context.Context
	results map[string]any
}

var scenarios = []struct {
	name string
	run  func(*scenario)
}{
	{"containers", containers},
	{"block_blobs", blockBlobs},
	{"append_blobs", appendBlobs},
	{"page_blobs", pageBlobs},
	{"parallel_upload", parallelUpload},
	{"downloads", downloads},
	{"leases", leases},
	{"conditions", conditions},
	{"snapshots", snapshots},
	{"tags", tags},
	{"batch", batch},
	{"copy", copies},
	{"sas", signatures},
	{"errors", faults},
	{"retries", retries},
	{"listings", listings},
	{"service", serviceProperties},
}

type record struct {
	Scenario  string         `json:"scenario"`
	Responses []response     `json:"responses"`
	Results   map[string]any `json:"results"`
	Error     string         `json:"error,omitempty"`
}

// describe names the class of an unexpected error and says in short what it was.
func describe(err error) string {
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		return fmt.Sprintf("%T: %d %s", answer, answer.StatusCode, answer.ErrorCode)
	}
	return fmt.Sprintf("%T: %v", err, err)
}

func run(a *account, name string, steps func(*scenario)) (result record) {
	s := &scenario{account: a, ctx: context.Background(), results: map[string]any{}}
	defer func() {
		result = record{Scenario: name, Responses: a.recorder.take(), Results: s.results}
		if thrown := recover(); thrown != nil {
			failure, ok := thrown.(unexpected)
			if !ok {
				panic(thrown)
			}
			result.Error = describe(failure.err)
			fmt.Fprintf(os.Stderr, "%s: %v\n", name, failure.err)
		}
	}()
	steps(s)
	return result
}

func main() {
	a, err := accountFromEnvironment()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	output := json.NewEncoder(os.Stdout)
	output.SetEscapeHTML(false)
	for _, one := range scenarios {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], one.name) {
			continue
		}
		if err := output.Encode(run(a, one.name, one.run)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
