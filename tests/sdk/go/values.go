// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
)

const mib = 1 << 20

// pattern is the content of a body: byte i is (i*7+seed)%251.
func pattern(count, seed int) []byte {
	body := make([]byte, count)
	for i := range body {
		body[i] = byte((i*7 + seed) % 251)
	}
	return body
}

// stream makes a body that the SDK can send again.
func stream(body []byte) io.ReadSeekCloser {
	return streaming.NopCloser(bytes.NewReader(body))
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// fault is what an application sees of an error.
func fault(err error) any {
	if err == nil {
		return "no error"
	}
	var answer *azcore.ResponseError
	if errors.As(err, &answer) {
		return map[string]any{"type": fmt.Sprintf("%T", answer), "status": answer.StatusCode, "code": answer.ErrorCode}
	}
	return map[string]any{"type": fmt.Sprintf("%T", err)}
}

// unexpected carries an error that no step of the scenario asked for out of it.
type unexpected struct{ err error }

func check(err error) {
	if err != nil {
		panic(unexpected{err})
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

// facts is all that a result of the SDK says: its fields that have a value.
func facts(value any) any {
	text := must(json.Marshal(withoutBody(value)))
	var plain any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	check(decoder.Decode(&plain))
	return present(plain)
}

// withoutBody is a copy of a download's answer without its stream.
func withoutBody(value any) any {
	given := reflect.ValueOf(value)
	if given.Kind() != reflect.Struct || !given.FieldByName("Body").IsValid() {
		return value
	}
	changed := reflect.New(given.Type()).Elem()
	changed.Set(given)
	changed.FieldByName("Body").SetZero()
	return changed.Interface()
}

// present leaves out what has no value.
func present(value any) any {
	switch given := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, inner := range given {
			if inner != nil {
				kept[name] = present(inner)
			}
		}
		return kept
	case []any:
		for i := range given {
			given[i] = present(given[i])
		}
	}
	return value
}
