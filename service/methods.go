// SPDX-License-Identifier: Apache-2.0

package service

import (
	"context"

	"github.com/plexus-ipc/plexus/codec"
	"github.com/plexus-ipc/plexus/service/internal/methods"
	"github.com/plexus-ipc/plexus/status"
)

// AddMethods adds the exported methods of v, which have one of these forms:
//
//	M(context.Context, In) (Out, error)                                    a call
//	M(context.Context, In, func(Item) error) error                         answers with a stream
//	M(context.Context, In) iter.Seq2[Item, error]                          likewise
//	M(context.Context, iter.Seq2[Item, error]) (Out, error)                takes a stream
//	M(context.Context, iter.Seq2[In, error], func(Out) error) error        streams both ways
//
// A method is called as its Go name with a small first letter: AddAll is addAll, URLOf is
// urlOf. names says otherwise: {"AddAll": "sum"}; "" leaves a method out. A method of any
// other form that is not left out is an error that names it, and so is a name in names that
// v does not have: nothing is passed over. Then the Service stays as it was.
//
// opts hold for all methods, as for plexus.Handle. v is used by all calls at the same time.
func (s *Service) AddMethods(v any, names map[string]string, opts ...Option) error {
	found, err := methods.Of(v, names)
	if err != nil {
		return err
	}
	o := Apply(opts)
	var added []*Registration
	for _, m := range found {
		r, err := s.addMethod(m, &o)
		if err != nil {
			for _, r := range added {
				_ = r.Close(context.Background()) // it only takes it out of the Service
			}
			return err
		}
		added = append(added, r)
	}
	if len(found) == 0 {
		return status.Errorf(status.InvalidArgument, "%T has no methods to offer", v)
	}
	return nil
}

// addMethod adds one method.
func (s *Service) addMethod(m *methods.Method, o *Options) (*Registration, error) {
	terms, err := o.Terms(m.Shape, m.In, m.Out)
	if err != nil {
		return nil, err
	}
	judge, err := o.Judge(terms.Input)
	if err != nil {
		return nil, err
	}
	var codecs codec.Set
	if o.Codec != nil {
		codecs = codecs.With(o.Codec)
	}
	return s.Offer(context.Background(), m.Name, terms, m.Handler(codecs, judge))
}
