import torch
from transformers import BertConfig, BertForSequenceClassification

torch.manual_seed(7)
epochs, steps = 2, 0
rows = [{"input_ids": torch.randint(0, 50, (6,)), "labels": torch.tensor(i % 2)} for i in range(64)]


class Model(BertForSequenceClassification):
    def forward(self, input_ids, labels):
        global steps
        steps += 1
        print(f"step {steps}", flush=True)
        return super().forward(input_ids, labels=labels)


model = Model(BertConfig(vocab_size=50, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16))
