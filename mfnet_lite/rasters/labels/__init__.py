"""From the values of a label file to classes.

``coding`` is the rule of a dataset, ``label_files`` what a single file says beside it, ``label_json`` and
``label_keys`` the keys of ``dataset.json``, ``label_counts`` and ``label_scan`` what labels hold, ``label_words``
the advice.
"""
