// Reads manifests as kubectl does, and prints the Secrets that it would send to the API server.
//
// Each line of stdin is one manifest in base64; each line of stdout is the answer to it, in JSON.
// The steps are those of k8s.io/cli-runtime/pkg/resource: StreamVisitor, mapper.infoForData and
// FlattenListVisitor.
package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"log"
	"os"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
)

type answer struct {
	// Every object that is a core Secret, as JSON.
	Secrets []map[string]any `json:"secrets"`
	// Why kubectl stops. The objects before are applied nevertheless.
	Error string `json:"error,omitempty"`
}

func main() {
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for {
		line, err := in.ReadBytes('\n')
		if err == io.EOF {
			return
		}
		manifest, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(line)))
		if err != nil {
			log.Fatal(err)
		}
		if err := encoder.Encode(read(manifest)); err != nil {
			log.Fatal(err)
		}
		if in.Buffered() == 0 {
			out.Flush()
		}
	}
}

func read(manifest []byte) answer {
	got := answer{Secrets: []map[string]any{}}
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifest), 4096)
	for {
		ext := runtime.RawExtension{}
		if err := decoder.Decode(&ext); err != nil {
			if err != io.EOF {
				got.Error = err.Error()
			}
			return got
		}
		raw := bytes.TrimSpace(ext.Raw)
		if len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			continue
		}
		object, _, err := unstructured.UnstructuredJSONScheme.Decode(raw, nil, nil)
		if err != nil {
			got.Error = err.Error()
			continue
		}
		if err := visit(object, &got); err != nil {
			got.Error = err.Error()
		}
	}
}

// Visits an object, or the items of a list at any depth. kubectl refuses a list in a list, but other
// clients of the API server flatten it.
func visit(object runtime.Object, got *answer) error {
	if meta.IsListType(object) {
		return meta.EachListItem(object, func(item runtime.Object) error { return visit(item, got) })
	}
	one, ok := object.(*unstructured.Unstructured)
	if ok && one.GetAPIVersion() == "v1" && one.GetKind() == "Secret" {
		got.Secrets = append(got.Secrets, one.Object)
	}
	return nil
}
