// SPDX-License-Identifier: Apache-2.0

package demo

// task is what a child is told first.
type task struct {
	Folder    string // of the Go files
	Private   string // of the sockets
	Hub       string // address, "" for the hub itself
	Route     string // of a consumer: hub or direct
	Transport string // of a consumer: unix or tcp
	Index     string // address for direct use
	Words     string
}

// note is what a child says: one line of JSON.
type note struct {
	Ready     bool     `json:",omitempty"`
	Endpoints []string `json:",omitempty"`
	Digest    string   `json:",omitempty"` // of the corpus that it read
	Done      bool     `json:",omitempty"`
	Rows      []Row    `json:",omitempty"`
}
