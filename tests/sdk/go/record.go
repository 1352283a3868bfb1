// SPDX-License-Identifier: MIT

package main

import (
	"crypto/md5"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// response is one HTTP answer as the SDK saw it.
type response struct {
	Method  string            `json:"method"`
	URL     string            `json:"url"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
}

// recorder is a policy behind the SDK's retries: it sees each attempt.
type recorder struct {
	lock      sync.Mutex
	responses []response
}

func (r *recorder) Do(request *policy.Request) (*http.Response, error) {
	answer, err := request.Next()
	if answer != nil {
		r.add(request, answer)
	}
	return answer, err
}

// ofRandom is what stands for a Content-MD5 that is right, but another one at each run.
const ofRandom = "(MD5 of the request's body)"

// isOfBody says whether the answer has the MD5 of what was sent: a list of blocks whose names the SDK made up.
func isOfBody(request *policy.Request, answer string) bool {
	if answer == "" || request.Body() == nil || request.Raw().URL.Query().Get("comp") != "blocklist" {
		return false
	}
	if request.RewindBody() != nil {
		return false
	}
	sum := md5.New()
	_, err := io.Copy(sum, request.Body())
	return err == nil && base64.StdEncoding.EncodeToString(sum.Sum(nil)) == answer
}

func (r *recorder) add(request *policy.Request, answer *http.Response) {
	headers := make(map[string]string, len(answer.Header))
	for name, values := range answer.Header {
		headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	if len(answer.TransferEncoding) > 0 { // the HTTP library takes this field out
		headers["transfer-encoding"] = strings.Join(answer.TransferEncoding, ", ")
	}
	if isOfBody(request, headers["content-md5"]) {
		headers["content-md5"] = ofRandom
	}
	r.lock.Lock()
	defer r.lock.Unlock()
	r.responses = append(r.responses, response{
		Method: request.Raw().Method, URL: request.Raw().URL.String(), Status: answer.StatusCode, Headers: headers,
	})
}

// take returns what was recorded since the last call.
func (r *recorder) take() []response {
	r.lock.Lock()
	defer r.lock.Unlock()
	taken := r.responses
	r.responses = nil
	if taken == nil {
		taken = []response{}
	}
	return taken
}

// attempts counts the answers so far to requests with this method and end of the path.
func (r *recorder) attempts(method, end string) []int {
	r.lock.Lock()
	defer r.lock.Unlock()
	statuses := []int{}
	for _, one := range r.responses {
		path, _, _ := strings.Cut(one.URL, "?")
		if one.Method == method && strings.HasSuffix(path, end) {
			statuses = append(statuses, one.Status)
		}
	}
	return statuses
}
