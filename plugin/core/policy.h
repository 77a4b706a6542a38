/*
 * What comes out of a column, given its labels (design: docs/labels.md).
 *
 * Pure: the server side reads labels from catalogs, of then and now, of the
 * table and its ancestors, and folds the verdicts with w2l_stricter().
 */
#ifndef WAL2LAKE_CORE_POLICY_H
#define WAL2LAKE_CORE_POLICY_H

#include "core/label.h"
#include "core/status.h"
#include "core/types.h"

#include <stdbool.h>
#include <stddef.h>

W2L_BEGIN_C

/* What one label, or the lack of one, says of a column. */
typedef struct w2l_verdict {
    w2l_class class_;
    w2l_action action;  /* CLEAR, HASH or DROP; NONE only in w2l_no_verdict() */
    const char* domain; /* with HASH; NULL: the column's own. Points into the label's text */
    size_t domain_length;
} w2l_verdict;

/* Neither restricts nor permits: where a column or table no longer exists. Neutral in w2l_stricter. */
w2l_verdict w2l_no_verdict(void) W2L_NOEXCEPT;

/*
 * Verdict of a stored label on a column of a type. A text that is no label (odd)
 * gives DROP. A hash that the type cannot have gives DROP, and so does a hash by
 * default where the type has few values.
 */
w2l_verdict w2l_verdict_of_label(const char* text, size_t length, w2l_type type) W2L_NOEXCEPT;

/*
 * Verdict on a column without label: DROP, or HASH in its own domain if it is
 * part of the primary key or of the identity index, so that rows stay
 * identifiable.
 */
w2l_verdict w2l_verdict_unlabelled(bool is_key, w2l_type type) W2L_NOEXCEPT;

/*
 * The stricter of two verdicts: the stricter action, the more sensitive class.
 * Where both hash, `second` names the domain: pass what has the last word (the
 * label now, the ancestor) as second.
 */
w2l_verdict w2l_stricter(w2l_verdict first, w2l_verdict second) W2L_NOEXCEPT;

W2L_END_C

#endif
